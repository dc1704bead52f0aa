// Read-only memory whose words come from a file: INIT is a path relative to the working folder.
// data is mem[addr] one cycle after a cycle with en, and is held without it.
module hwgen_rom_distributed #(
  parameter WIDTH = 8,
  parameter DEPTH = 256,
  parameter ADDR_WIDTH = 8,
  parameter INIT = ""
) (
  input  wire                  clk,
  input  wire                  en,
  input  wire [ADDR_WIDTH-1:0] addr,
  output reg  [WIDTH-1:0]      data
);
  // yosys takes "distributed" to mean a writable LUT memory, which some families lack
`ifdef YOSYS
  (* rom_style = "logic" *)
`else
  (* rom_style = "distributed" *)
`endif
  reg [WIDTH-1:0] mem [0:DEPTH-1];

  initial $readmemh(INIT, mem);

  always @(posedge clk)
    if (en) data <= mem[addr];
endmodule
