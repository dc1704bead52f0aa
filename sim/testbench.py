"""The testbench of one design: its ports and stages, as the manifest lists them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_HEAD = """\
`timescale 1ns / 1ns
module bench;
  // cocotb writes these while aresetn is low, and reads the results once done or stuck rises.
  reg aresetn /*verilator public_flat_rw*/ = 0;
  reg watch /*verilator public_flat_rw*/ = 0;
  reg [31:0] frames /*verilator public_flat_rw*/ = 0;
  reg [16:0] stall_in /*verilator public_flat_rw*/ = 0;
  reg [16:0] stall_out /*verilator public_flat_rw*/ = 0;
  reg [31:0] seed /*verilator public_flat_rw*/ = 1;
  reg [63:0] patience /*verilator public_flat_rw*/ = 1000000;
  reg done /*verilator public_flat_rw*/ = 0;
  reg stuck /*verilator public_flat_rw*/ = 0;
  reg [63:0] cycle /*verilator public_flat_rw*/ = 0;
  reg [63:0] first_in /*verilator public_flat_rw*/ = 0;
  reg [63:0] idle = 0;
  reg started = 0;
  reg aclk = 0;
  always #5 aclk = ~aclk;
"""

_TAIL = """
  wire moved = |{{taken, given}};
  always @(posedge aclk) begin
    cycle <= cycle + 1;
    done <= aresetn && &finished;
    if (!aresetn) begin
      idle <= 0;
      started <= 0;
      stuck <= 0;
    end else begin
      idle <= moved || &finished ? 0 : idle + 1;
      if (idle > patience) stuck <= 1;
      if (!started && |taken) begin
        started <= 1;
        first_in <= cycle;
      end
    end
  end
{faults}endmodule
"""


def bench_text(manifest: dict[str, Any], rtl: str) -> str:
    """SystemVerilog for the module ``bench``. ``rtl``: the design's Verilog, to see its stages."""
    inputs, outputs = manifest["inputs"], manifest["outputs"]
    parts = [_HEAD]
    parts.append(f"  wire [{len(inputs) - 1}:0] taken;")
    parts.append(f"  wire [{len(outputs) - 1}:0] given, finished;")
    pins = [".aclk(aclk)", ".aresetn(aresetn)"]
    for index, port in enumerate(inputs):
        parts.append(_port("axis_source", port, index, "taken", "stall_in", ""))
        pins += _pins(port["port"])
    for index, port in enumerate(outputs):
        name = port["port"]
        extra = (
            f"    .cycle(cycle), .done(finished[{index}]),\n"
            f"    .fault({name}_fault), .fault_cycle({name}_fault_cycle),\n"
        )
        parts.append(
            f"  wire [2:0] {name}_fault; wire [63:0] {name}_fault_cycle;\n"
            + _port("axis_sink", port, index, "given", "stall_out", extra)
        )
        pins += _pins(name)
    parts.append(f"  {manifest['top']} dut (\n    {(',' + chr(10) + '    ').join(pins)}\n  );")
    for stage in probed_stages(manifest, rtl):
        at, edge = f"dut.{instance_path(stage['instance'], rtl)}", stage["output"]
        parts.append(
            f'  stream_probe #(.NAME("{stage["name"]}"), .BITS({edge["lanes"] * edge["bits"]}))\n'
            f"    probe_{stage['name']} (.clk(aclk), .aresetn(aresetn), .watch(watch),\n"
            f"    .valid({at}.o__valid), .ready({at}.o__ready), .payload({at}.o__payload));"
        )
    faults = "".join(
        f"  reg [2:0] fault_{i} /*verilator public_flat_rw*/ = 0;\n"
        f"  reg [63:0] fault_cycle_{i} /*verilator public_flat_rw*/ = 0;\n"
        f"  always @(posedge aclk) begin\n"
        f"    fault_{i} <= {port['port']}_fault;\n"
        f"    fault_cycle_{i} <= {port['port']}_fault_cycle;\n"
        f"  end\n"
        for i, port in enumerate(outputs)
    )
    return "\n".join(parts) + _TAIL.format(faults=faults)


def probed_stages(manifest: dict[str, Any], rtl: str) -> list[dict[str, Any]]:
    """The stages whose output stream can be seen: a mere relabelling of lanes has no wires."""
    found = []
    for stage in manifest["stages"]:
        name = stage["instance"].split(".")[-1]
        body = re.search(rf"^module {manifest['top']}_{name} ?\(.*?^endmodule", rtl, re.M | re.S)
        seen = [f"o__{wire}" for wire in ("valid", "ready", "payload")]
        if body and all(
            re.search(rf"^  (?:in|out)put .*\b{wire}\b", body[0], re.M) for wire in seen
        ):
            found.append(stage)
    return found


def instance_path(instance: str, rtl: str) -> str:
    """The path of a stage; one name with dots where synthesis flattened what is around it."""
    flat = f"\\{instance} "
    return flat if flat in rtl else instance


def read_rtl(folder: Path) -> str:
    """All Verilog of a folder, in the order of its file names."""
    return "".join(path.read_text("utf-8") for path in sorted(folder.glob("*.v")))


def _port(kind: str, port: dict[str, Any], index: int, moved: str, stall: str, extra: str) -> str:
    name, seed = port["port"], f"(seed + 32'd{index}) * 32'h9e3779b1 | 32'd1"
    if kind == "axis_sink":
        seed = f"~({seed}) | 32'd1"
    return (
        f"  wire [{port['tdata_bits'] - 1}:0] {name}_tdata;\n"
        f"  wire {name}_tvalid, {name}_tready, {name}_tlast;\n"
        f"  assign {moved}[{index}] = {name}_tvalid & {name}_tready;\n"
        f'  {kind} #(.NAME("{name}"), .BITS({port["tdata_bits"]}), .BEATS({port["beats"]}))\n'
        f"    {name}_end (.clk(aclk), .aresetn(aresetn), .frames(frames), .stall({stall}),\n"
        f"    .seed({seed}),\n{extra}"
        f"    .tdata({name}_tdata), .tvalid({name}_tvalid), .tready({name}_tready),\n"
        f"    .tlast({name}_tlast));"
    )


def _pins(name: str) -> list[str]:
    return [f".{name}_{wire}({name}_{wire})" for wire in ("tdata", "tvalid", "tready", "tlast")]
