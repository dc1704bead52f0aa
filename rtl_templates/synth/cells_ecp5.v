// Models of ECP5 cells for which yosys ships none; only what its mapping uses.

// Two ports, or a port of 36 bits that writes and one that reads; their upper halves are port B's
// then, as in yosys' own mapping. INITVAL has 20 bits for every row of 18.
module DP16KD #(
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL",
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC",
  parameter ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "0b000", CSDECODE_B = "0b000",
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "DISABLED",
  parameter [319:0]
    `ZERO(INITVAL_0), `ZERO(INITVAL_1), `ZERO(INITVAL_2), `ZERO(INITVAL_3)
) (
  input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
  DIA4, DIA3, DIA2, DIA1, DIA0,
  input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
  DIB4, DIB3, DIB2, DIB1, DIB0,
  input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
  DOA4, DOA3, DOA2, DOA1, DOA0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
  DOB4, DOB3, DOB2, DOB1, DOB0
);
  wire [17:0] di_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7,
  DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [13:0] ad_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2,
  ADA1, ADA0};
  wire [17:0] di_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7,
  DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
  wire [13:0] ad_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2,
  ADB1, ADB0};
  localparam WIDE = DATA_WIDTH_A == 36 || DATA_WIDTH_B == 36;
  wire [71:0] q_a, q_b;
  wire [3:0] we_a = DATA_WIDTH_A < 18 ? {3'b0, WEA} : ad_a[3:0] & {4{WEA}};
  wire [3:0] we_b = DATA_WIDTH_B < 18 ? {3'b0, WEB} : ad_b[3:0] & {4{WEB}};
  hwgen_block_ram #(
    .ABITS(14), .READ({8'(DATA_WIDTH_B), WIDE ? 8'd0 : 8'(DATA_WIDTH_A)}),
    .WRITE({WIDE ? 8'd0 : 8'(DATA_WIDTH_B), 8'(DATA_WIDTH_A)}),
    .KEEP({WRITEMODE_B == "NORMAL", WRITEMODE_A == "NORMAL"}),
    .NEW({WRITEMODE_B == "WRITETHROUGH", WRITEMODE_A == "WRITETHROUGH"}), .RESET_NEEDS_ENABLE(0)
  ) ram (
    .clk({CLKB, CLKA}), .en({CEB, CEA}), .rst({RSTB, RSTA}), .addr({ad_b, ad_a}),
    .we({4'b0, we_b, 4'b0, we_a}), .data({54'b0, di_b, 36'b0, di_b, di_a}), .q({q_b, q_a})
  );
  wire [17:0] do_a = WIDE ? q_b[17:0] : q_a[17:0];
  wire [17:0] do_b = DATA_WIDTH_B == 36 ? q_b[35:18] : q_b[17:0];
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
  DOA4, DOA3, DOA2, DOA1, DOA0} = do_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
  DOB4, DOB3, DOB2, DOB1, DOB0} = do_b;

  localparam [64*320-1:0] WORDS = {
    `DOWN(INITVAL_3), `DOWN(INITVAL_2), `DOWN(INITVAL_1), `DOWN(INITVAL_0)
  };
  integer k;
  initial begin
    for (k = 0; k < 2048; k = k + 1) ram.mem[k] = WORDS[20*(k/2) + 9*(k%2) +: 9];
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG") $fatal(1, "registers");
    if (CLKAMUX != "CLKA" || CLKBMUX != "CLKB") $fatal(1, "clocks");
  end
endmodule

module MULT18X18D (
  input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
  output P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
  wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  wire [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  wire signed [18:0] x = {SIGNEDA & a[17], a};
  wire signed [18:0] y = {SIGNEDB & b[17], b};
  wire signed [37:0] p = x * y;
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
          P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = p[35:0];
endmodule
