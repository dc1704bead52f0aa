// What a block RAM does, for the simulation of netlists: yosys ships no models of these cells.
// Two ports over the same bytes. A byte has nine bits, of which ports of less than nine see eight.
// Addresses count bits, eight to a byte. Parameters hold what port 0 has in their lower half.
module hwgen_block_ram #(
  parameter ABITS = 14,
  parameter [15:0] READ = 0, WRITE = 0,  // widths: 0, 1, 2, 4, 9, 18, 36 or 72
  parameter [1:0] KEEP = 0, NEW = 0,     // what is read while writing: as before, or the new data
  parameter RESET_NEEDS_ENABLE = 1
) (
  input  wire [1:0]         clk, en, rst,
  input  wire [2*ABITS-1:0] addr,
  input  wire [15:0]        we,
  input  wire [143:0]       data,
  output reg  [143:0]       q
);
  reg [8:0] mem [0:(1 << (ABITS - 3)) - 1];

  genvar p;
  generate
    for (p = 0; p < 2; p = p + 1) begin : port
      localparam integer R = READ[8*p +: 8], W = WRITE[8*p +: 8];
      localparam integer RBYTES = R < 18 ? 1 : R / 9, WBYTES = W < 18 ? 1 : W / 9;
      wire [ABITS-1:0] at = addr[ABITS*p +: ABITS];
      wire [ABITS-4:0] from = at[ABITS-1:3] & ~(RBYTES - 1), to = at[ABITS-1:3] & ~(WBYTES - 1);
      wire writes = W != 0 && we[8*p +: 8] != 0;
      integer i, j;

      always @(posedge clk[p]) begin
        if (R != 0 && en[p] && !(writes && KEEP[p]))
          for (i = 0; i < RBYTES; i = i + 1)
            if (writes && NEW[p]) q[72*p + 9*i +: 9] <= data[72*p + 9*i +: 9];
            else if (R < 9) q[72*p +: 9] <= mem[from] >> (at[2:0] & ~(R - 1));
            else q[72*p + 9*i +: 9] <= mem[from + i];
        if (rst[p] && (en[p] || !RESET_NEEDS_ENABLE)) q[72*p +: 72] <= 0;
        if (en[p] && writes)
          for (i = 0; i < WBYTES; i = i + 1)
            if (W < 9)
              for (j = 0; j < W; j = j + 1) mem[to][(at[2:0] & ~(W - 1)) + j] <= data[72*p + j];
            else if (we[8*p + i]) mem[to + i] <= data[72*p + 9*i +: 9];
      end
    end
  endgenerate
endmodule

// Sixteen parameters whose names begin alike, for a list of parameters and for a concatenation.
`define ZERO(X) X``0 = 0, X``1 = 0, X``2 = 0, X``3 = 0, X``4 = 0, X``5 = 0, X``6 = 0, X``7 = 0, \
  X``8 = 0, X``9 = 0, X``A = 0, X``B = 0, X``C = 0, X``D = 0, X``E = 0, X``F = 0
`define DOWN(X) X``F, X``E, X``D, X``C, X``B, X``A, X``9, X``8, X``7, X``6, X``5, X``4, X``3, X``2, X``1, X``0
