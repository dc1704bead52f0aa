// Techmap rules of yosys: a ROM whose place is LUTs becomes one LUT per output bit. Left to ABC,
// the shared decoders of its addresses take several times as many.

// At first the LUT is a cell that ABC does not look into.
(* blackbox *)
module hwgen_rom_lut #(
  parameter WIDTH = 1,
  parameter LUT = 0
) (
  input  wire [WIDTH-1:0] A,
  output wire             Y
);
endmodule

`ifdef LUT_INPUTS
(* techmap_celltype = "$mem_v2" *)
module hwgen_rom_luts (
  RD_CLK, RD_EN, RD_ARST, RD_SRST, RD_ADDR, RD_DATA, WR_CLK, WR_EN, WR_ADDR, WR_DATA
);
  parameter SIZE = 1;
  parameter ABITS = 1;
  parameter WIDTH = 1;
  parameter RD_PORTS = 1;
  parameter WR_PORTS = 0;
  parameter RD_CLK_ENABLE = 0;
  parameter RD_CLK_POLARITY = 1;
  parameter INIT = 0;
  // Of no meaning for a ROM, but techmap sets them all.
  parameter MEMID = "";
  parameter OFFSET = 0;
  parameter RD_TRANSPARENCY_MASK = 0;
  parameter RD_COLLISION_X_MASK = 0;
  parameter RD_WIDE_CONTINUATION = 0;
  parameter RD_CE_OVER_SRST = 0;
  parameter RD_ARST_VALUE = 0;
  parameter RD_SRST_VALUE = 0;
  parameter RD_INIT_VALUE = 0;
  parameter WR_CLK_ENABLE = 0;
  parameter WR_CLK_POLARITY = 0;
  parameter WR_PRIORITY_MASK = 0;
  parameter WR_WIDE_CONTINUATION = 0;
  parameter _TECHMAP_CONSTMSK_RD_ARST_ = 0;
  parameter _TECHMAP_CONSTVAL_RD_ARST_ = 0;
  parameter _TECHMAP_CONSTMSK_RD_SRST_ = 0;
  parameter _TECHMAP_CONSTVAL_RD_SRST_ = 0;

  localparam BITS = $clog2(SIZE);  // of an address
  localparam INPUTS = BITS < `LUT_INPUTS ? BITS : `LUT_INPUTS;
  localparam BLOCKS = (SIZE + (1 << INPUTS) - 1) >> INPUTS;

  input RD_CLK, RD_EN, RD_ARST, RD_SRST;
  input [ABITS-1:0] RD_ADDR;
  output [WIDTH-1:0] RD_DATA;
  input [WR_PORTS-1:0] WR_CLK;
  input [WR_PORTS*WIDTH-1:0] WR_EN, WR_DATA;
  input [WR_PORTS*ABITS-1:0] WR_ADDR;

  // A first word in logic is a wire or an inverter; anything that is no ROM stays what it is.
  localparam RESET = !_TECHMAP_CONSTMSK_RD_ARST_ || _TECHMAP_CONSTVAL_RD_ARST_ ||
                     !_TECHMAP_CONSTMSK_RD_SRST_ || _TECHMAP_CONSTVAL_RD_SRST_;
  wire _TECHMAP_FAIL_ = RD_PORTS != 1 || WR_PORTS != 0 || BITS < 2 || RESET;

  // What bit `column` of the words of a block is, lowest address first; 0 beyond the last word.
  function [(1 << INPUTS)-1:0] table;
    input integer block, column;
    integer k, address;
    for (k = 0; k < (1 << INPUTS); k = k + 1) begin
      address = (block << INPUTS) + k;
      table[k] = address < SIZE ? INIT[address * WIDTH + column] : 1'b0;
    end
  endfunction

  wire [WIDTH-1:0] word;
  genvar b, c;
  generate
    for (c = 0; c < WIDTH; c = c + 1) begin : column
      wire [BLOCKS-1:0] read;
      for (b = 0; b < BLOCKS; b = b + 1) begin : block
        localparam [(1 << INPUTS)-1:0] LUT = table(b, c);
        if (LUT == {(1 << INPUTS){LUT[0]}})
          assign read[b] = LUT[0];
        else
          hwgen_rom_lut #(.WIDTH(INPUTS), .LUT(LUT)) rom (.A(RD_ADDR[INPUTS-1:0]), .Y(read[b]));
      end
      if (BLOCKS == 1) assign word[c] = read;
      else assign word[c] = read[RD_ADDR[BITS-1:INPUTS]];
    end
    if (RD_CLK_ENABLE)
      \$dffe #(.WIDTH(WIDTH), .CLK_POLARITY(RD_CLK_POLARITY), .EN_POLARITY(1)) register (
        .CLK(RD_CLK), .EN(RD_EN), .D(word), .Q(RD_DATA)
      );
    else assign RD_DATA = word;
  endgenerate
endmodule
`else
// When ABC is done, the cell is a LUT like all others.
(* techmap_celltype = "hwgen_rom_lut" *)
module hwgen_rom_lut_cell #(
  parameter WIDTH = 1,
  parameter LUT = 0
) (
  input  wire [WIDTH-1:0] A,
  output wire             Y
);
  \$lut #(.WIDTH(WIDTH), .LUT(LUT)) _TECHMAP_REPLACE_ (.A(A), .Y(Y));
endmodule
`endif
