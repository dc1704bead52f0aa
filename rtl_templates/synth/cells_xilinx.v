// Models of Xilinx cells for which yosys ships none; only what its mapping uses.

module RAMB18E1 #(
  parameter DOA_REG = 0, DOB_REG = 0, RAM_MODE = "TDP", INIT_FILE = "NONE",
  parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
  parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
  parameter [71:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
  parameter [255:0]
    `ZERO(INIT_0), `ZERO(INIT_1), `ZERO(INIT_2), `ZERO(INIT_3),
    `ZERO(INITP_0)
) (
  input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, RSTRAMARSTRAM, RSTRAMB,
  input REGCEAREGCE, REGCEB, RSTREGARSTREG, RSTREGB,
  input [13:0] ADDRARDADDR, ADDRBWRADDR, input [15:0] DIADI, DIBDI,
  input [1:0] DIPADIP, DIPBDIP, WEA, input [3:0] WEBWE,
  output [15:0] DOADO, DOBDO, output [1:0] DOPADOP, DOPBDOP
);
  // Beyond 18 bits, port A reads and port B writes, with both ports' pins.
  localparam WIDE_READ = READ_WIDTH_A == 36, WIDE_WRITE = WRITE_WIDTH_B == 36;
  wire [17:0] a_in, b_in;
  wire [71:0] a_q, b_q;
  wire [7:0] b_we = RAM_MODE == "SDP" ? WEBWE : WEBWE[1:0];
  genvar k;
  generate
    for (k = 0; k < 2; k = k + 1) begin : byte_of
      assign a_in[9*k +: 9] = {DIPADIP[k], DIADI[8*k +: 8]};
      assign b_in[9*k +: 9] = {DIPBDIP[k], DIBDI[8*k +: 8]};
      assign {DOPADOP[k], DOADO[8*k +: 8]} = a_q[9*k +: 9];
      assign {DOPBDOP[k], DOBDO[8*k +: 8]} = WIDE_READ ? a_q[18 + 9*k +: 9] : b_q[9*k +: 9];
    end
  endgenerate
  hwgen_block_ram #(
    .ABITS(14), .READ({8'(READ_WIDTH_B), 8'(READ_WIDTH_A)}),
    .WRITE({8'(WRITE_WIDTH_B), 8'(WRITE_WIDTH_A)}),
    .KEEP({WRITE_MODE_B == "NO_CHANGE", WRITE_MODE_A == "NO_CHANGE"}),
    .NEW({WRITE_MODE_B == "WRITE_FIRST", WRITE_MODE_A == "WRITE_FIRST"})
  ) ram (
    .clk({CLKBWRCLK, CLKARDCLK}), .en({ENBWREN, ENARDEN}), .rst({RSTRAMB, RSTRAMARSTRAM}),
    .addr({ADDRBWRADDR, ADDRARDADDR}), .we({b_we, 8'(WEA)}),
    .data({WIDE_WRITE ? 72'({b_in, a_in}) : 72'(b_in), 72'(a_in)}), .q({b_q, a_q})
  );

  localparam [64*256-1:0] BITS = {
    `DOWN(INIT_3), `DOWN(INIT_2), `DOWN(INIT_1), `DOWN(INIT_0)
  };
  localparam [16*256-1:0] PARITY = {`DOWN(INITP_0)};
  integer i;
  initial begin
    for (i = 0; i < 2048; i = i + 1) ram.mem[i] = {PARITY[i], BITS[8*i +: 8]};
    if (DOA_REG != 0 || DOB_REG != 0) $fatal(1, "not modelled");
  end
  always @*
    if ((RSTRAMARSTRAM && SRVAL_A != 0) || (RSTRAMB && SRVAL_B != 0)) $fatal(1, "reset to ones");
endmodule

module RAMB36E1 #(
  parameter DOA_REG = 0, DOB_REG = 0, RAM_MODE = "TDP", EN_ECC_READ = "FALSE", EN_ECC_WRITE = "FALSE",
  parameter RAM_EXTENSION_A = "NONE", RAM_EXTENSION_B = "NONE", INIT_FILE = "NONE",
  parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
  parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
  parameter [71:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
  parameter [255:0]
    `ZERO(INIT_0), `ZERO(INIT_1), `ZERO(INIT_2), `ZERO(INIT_3), `ZERO(INIT_4), `ZERO(INIT_5),
    `ZERO(INIT_6), `ZERO(INIT_7),
    `ZERO(INITP_0)
) (
  input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, RSTRAMARSTRAM, RSTRAMB,
  input REGCEAREGCE, REGCEB, RSTREGARSTREG, RSTREGB, CASCADEINA, CASCADEINB, INJECTDBITERR, INJECTSBITERR,
  input [15:0] ADDRARDADDR, ADDRBWRADDR, input [31:0] DIADI, DIBDI,
  input [3:0] DIPADIP, DIPBDIP, WEA, input [7:0] WEBWE,
  output [31:0] DOADO, DOBDO, output [3:0] DOPADOP, DOPBDOP,
  output CASCADEOUTA, CASCADEOUTB, SBITERR, DBITERR, output [7:0] ECCPARITY,
  output [8:0] RDADDRECC
);
  // Beyond 36 bits, port A reads and port B writes, with both ports' pins.
  localparam WIDE_READ = READ_WIDTH_A == 72, WIDE_WRITE = WRITE_WIDTH_B == 72;
  wire [35:0] a_in, b_in;
  wire [71:0] a_q, b_q;
  wire [7:0] b_we = RAM_MODE == "SDP" ? WEBWE : WEBWE[3:0];
  genvar k;
  generate
    for (k = 0; k < 4; k = k + 1) begin : byte_of
      assign a_in[9*k +: 9] = {DIPADIP[k], DIADI[8*k +: 8]};
      assign b_in[9*k +: 9] = {DIPBDIP[k], DIBDI[8*k +: 8]};
      assign {DOPADOP[k], DOADO[8*k +: 8]} = a_q[9*k +: 9];
      assign {DOPBDOP[k], DOBDO[8*k +: 8]} = WIDE_READ ? a_q[36 + 9*k +: 9] : b_q[9*k +: 9];
    end
  endgenerate
  hwgen_block_ram #(
    .ABITS(15), .READ({8'(READ_WIDTH_B), 8'(READ_WIDTH_A)}),
    .WRITE({8'(WRITE_WIDTH_B), 8'(WRITE_WIDTH_A)}),
    .KEEP({WRITE_MODE_B == "NO_CHANGE", WRITE_MODE_A == "NO_CHANGE"}),
    .NEW({WRITE_MODE_B == "WRITE_FIRST", WRITE_MODE_A == "WRITE_FIRST"})
  ) ram (
    .clk({CLKBWRCLK, CLKARDCLK}), .en({ENBWREN, ENARDEN}), .rst({RSTRAMB, RSTRAMARSTRAM}),
    .addr({ADDRBWRADDR[14:0], ADDRARDADDR[14:0]}), .we({b_we, 8'(WEA)}),
    .data({WIDE_WRITE ? 72'({b_in, a_in}) : 72'(b_in), 72'(a_in)}), .q({b_q, a_q})
  );

  localparam [128*256-1:0] BITS = {
    `DOWN(INIT_7), `DOWN(INIT_6), `DOWN(INIT_5), `DOWN(INIT_4), `DOWN(INIT_3), `DOWN(INIT_2),
    `DOWN(INIT_1), `DOWN(INIT_0)
  };
  localparam [16*256-1:0] PARITY = {`DOWN(INITP_0)};
  integer i;
  initial begin
    for (i = 0; i < 4096; i = i + 1) ram.mem[i] = {PARITY[i], BITS[8*i +: 8]};
    if (DOA_REG != 0 || DOB_REG != 0 || RAM_EXTENSION_A != "NONE" || RAM_EXTENSION_B != "NONE") $fatal(1, "not modelled");
  end
  always @*
    if ((RSTRAMARSTRAM && SRVAL_A != 0) || (RSTRAMB && SRVAL_B != 0)) $fatal(1, "reset to ones");
endmodule

module DSP48E2 #(
  parameter ACASCREG = 1, ADREG = 1, ALUMODEREG = 1, AREG = 1, BCASCREG = 1, BREG = 1,
  parameter CARRYINREG = 1, CARRYINSELREG = 1, CREG = 1, DREG = 1, INMODEREG = 1, MREG = 1,
  parameter OPMODEREG = 1, PREG = 1,
  parameter A_INPUT = "DIRECT", B_INPUT = "DIRECT", AMULTSEL = "A", BMULTSEL = "B",
  parameter USE_MULT = "MULTIPLY", USE_SIMD = "ONE48"
) (
  input [29:0] A, ACIN, input [17:0] B, BCIN, input [47:0] C, PCIN, input [26:0] D,
  input CARRYIN, input [4:0] INMODE, input [3:0] ALUMODE, input [8:0] OPMODE,
  input [2:0] CARRYINSEL, output signed [47:0] P
);
  wire signed [26:0] a = A[26:0];
  wire signed [17:0] b = B;
  assign P = a * b;
  initial
    if (AREG != 0 || BREG != 0 || CREG != 0 || MREG != 0 || PREG != 0) $fatal(1, "registers");
  always @*
    if (OPMODE != 9'b000000101 || ALUMODE != 0 || INMODE != 0) $fatal(1, "no multiplication");
endmodule
