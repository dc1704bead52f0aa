// Bounded-memory stream drivers: frames come from and go to files, one beat per line, so that
// the simulator runs for millions of cycles without leaving compiled code.
`timescale 1ns / 1ns

// Offers the beats of NAME.hex. Stalls at random with probability stall / 65536.
module axis_source #(
  parameter string NAME = "s_axis",
  parameter int BITS = 8,
  parameter int BEATS = 1
) (
  input  wire             clk,
  input  wire             aresetn,
  input  wire      [31:0] frames,
  input  wire      [16:0] stall,
  input  wire      [31:0] seed,
  output reg   [BITS-1:0] tdata,
  output reg              tvalid,
  input  wire             tready,
  output reg              tlast
);
  string folder;
  integer file = 0, code;
  reg [BITS-1:0] word;
  reg [31:0] random, frame, beat;

  always @(posedge clk)
    if (!aresetn) begin
      if (file != 0) $fclose(file);
      file = 0;
      frame = 0;
      beat = 0;
      random = seed;
      tvalid <= 0;
      tlast <= 0;
    end else begin
      if (file == 0) begin
        if (!$value$plusargs("work=%s", folder)) folder = ".";
        file = $fopen($sformatf("%s/%s.hex", folder, NAME), "r");
        if (file == 0) $fatal(1, "%s/%s.hex cannot be read", folder, NAME);
      end
      random = random ^ (random << 13);
      random = random ^ (random >> 17);
      random = random ^ (random << 5);
      if (!tvalid || tready) begin
        if (frame != frames && {1'b0, random[15:0]} >= stall) begin
          code = $fscanf(file, "%h\n", word);
          if (code != 1) $fatal(1, "%s.hex ends in frame %0d", NAME, frame);
          tdata <= word;
          tvalid <= 1;
          tlast <= beat == BEATS - 1;
          beat = beat + 1;
          if (beat == BEATS) begin
            beat = 0;
            frame = frame + 1;
          end
        end else begin
          tdata <= ~tdata;  // whoever reads it without valid is caught
          tvalid <= 0;
          tlast <= 0;
        end
      end
    end
endmodule

// Takes beats into NAME.out, cycles of the last beat of each frame into NAME.ends, and watches
// the rules of the stream. fault: 0 none, 1 valid dropped, 2 payload changed, 3 TLAST misplaced,
// 4 valid in reset, 5 beat after the last frame, 6 valid unknown.
module axis_sink #(
  parameter string NAME = "m_axis",
  parameter int BITS = 8,
  parameter int BEATS = 1
) (
  input  wire            clk,
  input  wire            aresetn,
  input  wire     [31:0] frames,
  input  wire     [16:0] stall,
  input  wire     [31:0] seed,
  input  wire     [63:0] cycle,
  input  wire [BITS-1:0] tdata,
  input  wire            tvalid,
  output reg             tready,
  input  wire            tlast,
  output reg             done,
  output reg       [2:0] fault,
  output reg      [63:0] fault_cycle
);
  string folder;
  integer file = 0, ends = 0;
  reg [BITS-1:0] held;
  reg held_last, waiting, resetting = 0;
  reg [31:0] random, frame, beat;

  task report(input [2:0] kind);
    if (fault == 0) begin
      fault <= kind;
      fault_cycle <= cycle;
    end
  endtask

  always @(posedge clk)
    if (!aresetn) begin
      if (file != 0) begin
        $fclose(file);
        $fclose(ends);
      end
      file = 0;
      frame = 0;
      beat = 0;
      random = seed;
      tready <= 0;
      waiting <= 0;
      done <= 0;
      resetting <= 1;
      fault <= 0;
      if (resetting && tvalid !== 0) report(4);
    end else begin
      resetting <= 0;
      if (file == 0) begin
        if (!$value$plusargs("work=%s", folder)) folder = ".";
        file = $fopen($sformatf("%s/%s.out", folder, NAME), "w");
        ends = $fopen($sformatf("%s/%s.ends", folder, NAME), "w");
        if (file == 0 || ends == 0) $fatal(1, "%s/%s.out cannot be written", folder, NAME);
      end
      random = random ^ (random << 13);
      random = random ^ (random >> 17);
      random = random ^ (random << 5);
      tready <= {1'b0, random[15:0]} >= stall;
      if (resetting && tvalid !== 0) report(4);
      if (^tvalid === 1'bx) report(6);
      if (waiting && !tvalid) report(1);
      if (waiting && tvalid && (tdata != held || tlast != held_last)) report(2);
      waiting <= tvalid && !tready;
      held <= tdata;
      held_last <= tlast;
      if (tvalid && tready) begin
        if (tlast != (beat == BEATS - 1)) report(3);
        if (frame == frames) report(5);
        else begin
          $fwrite(file, "%h\n", tdata);
          beat = beat + 1;
          if (beat == BEATS) begin
            beat = 0;
            frame = frame + 1;
            $fwrite(ends, "%0d\n", cycle);
            if (frame == frames) begin
              $fflush(file);
              $fflush(ends);
              done <= 1;
            end
          end
        end
      end
    end
endmodule

// Copies what passes a stream inside the design into NAME.edge.
module stream_probe #(
  parameter string NAME = "stage",
  parameter int BITS = 8
) (
  input wire            clk,
  input wire            aresetn,
  input wire            watch,
  input wire            valid,
  input wire            ready,
  input wire [BITS-1:0] payload
);
  string folder;
  integer file = 0;

  always @(posedge clk)
    if (!aresetn) begin
      if (file != 0) $fclose(file);
      file = 0;
    end else if (watch) begin
      if (file == 0) begin
        if (!$value$plusargs("work=%s", folder)) folder = ".";
        file = $fopen($sformatf("%s/%s.edge", folder, NAME), "w");
      end
      if (valid && ready) begin
        $fwrite(file, "%h\n", payload);
        $fflush(file);
      end
    end
endmodule
