// Models of multipliers for which yosys ships none; only what its mapping uses: no registers, no adder.
// Anything else ends the simulation.

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
