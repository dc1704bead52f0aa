"""Dot products in DSPs: generates, synthesises, counts, and simulates the netlist with its DSPs.

python -m bench.dsps [--port dsp48e1 ...] [--only w4a4 w8a8 ...]

PE = 8, SIMD = 16, signed weights, unsigned activations, registers with a clock enable at the edges.
The netlist that yosys makes runs in Verilator against NumPy, with yosys' own models of the cells; of
a DSP48E2 and a MULT18X18D it has none, so ours stand in, which only multiply. Every
lane of every DSP meets every pair of a weight and an x, the others at the same time other pairs;
the enable falls at random.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from bench.arithmetic import from_bits, store, to_bits
from bench.dot_products import folded_weight
from hwgen.core.intrange import IntRange
from hwgen.emit.yosys import run_yosys
from hwgen.hw.dot_product import sum_range
from hwgen.hw.dsp_layout import PORTS, Packing, Port, most_lanes
from hwgen.hw.packed_products import PackedProducts, packed_registers
from hwgen.hw.stream import element
from hwgen.synth.netlist import write_models
from hwgen.synth.report import Usage
from sim.simulator import NETLIST_ARGS, find_simulator


@dataclass(frozen=True, slots=True)
class Flow:
    """How yosys maps to a port's family, and the tool whose models of cells hold there."""

    synth: str
    tool: str


FLOWS = {
    "dsp48e1": Flow("synth_xilinx -family xc7 -flatten -noiopad", "yosys-xc7"),
    "dsp48e2": Flow("synth_xilinx -family xcup -flatten -noiopad", "yosys-xcup"),
    "mult18x18": Flow("synth_ecp5", "yosys-ecp5"),
}
ROWS = {
    "dsp48e1": ("w2a2", "w2a4", "w3a3", "w4a4", "w4a8", "w6a6", "w8a8"),
    "dsp48e2": ("w2a4", "w4a4", "w8a8"), "mult18x18": ("w2a4", "w4a4", "w8a8"),
}  # fmt: skip


class PackedSums(Component):
    """``y[p] = sum_s x[s] * w[p, s]`` between registers that move where ``en`` is high.

    Members: en, x (SIMD fields), w (PE x SIMD codes), y (PE fields).
    """

    def __init__(self, port: Port, weight: np.ndarray, x_range: IntRange, *, pe: int, simd: int):
        self.x_range, self.pe, self.simd = x_range, pe, simd
        self.unit = PackedProducts(Packing(port), weight, element(x_range), pe, simd)
        self.y_range = sum_range(element(x_range), weight, simd)
        super().__init__({
            "en": In(1), "x": In(simd * x_range.width),
            "w": In(pe * simd * self.unit.weights.bits), "y": Out(pe * self.y_range.width),
        })  # fmt: skip

    @property
    def latency(self) -> int:
        """Enabled clocks from x to y."""
        return 2 + packed_registers(self.simd)

    def elaborate(self, _platform):
        m = Module()

        def register(value: Value) -> Signal:
            later = Signal(value.shape(), reset_less=True)
            with m.If(self.en):
                m.d.sync += later.eq(value)
            return later

        x, w = register(self.x), register(self.w)
        a, b, n = self.x_range.width, self.unit.weights.bits, self.y_range.width
        lanes = [x[k * a : (k + 1) * a] for k in range(self.simd)]
        lanes = [lane.as_signed() if self.x_range.signed else lane for lane in lanes]
        codes = [w[k * b : (k + 1) * b] for k in range(self.pe * self.simd)]
        rows = [codes[p * self.simd : (p + 1) * self.simd] for p in range(self.pe)]
        for p, total in enumerate(self.unit.build(m, lanes, rows, register)):
            m.d.comb += self.y[p * n : (p + 1) * n].eq(register(total))
        return m

    def stimulus(self) -> tuple[np.ndarray, np.ndarray]:
        """x and w such that every lane meets every pair of values."""
        rng = np.random.default_rng(0)
        xs = np.arange(self.x_range.lo, self.x_range.hi + 1)
        ws = np.arange(self.unit.weights.range.lo, self.unit.weights.range.hi + 1)
        v = np.arange(len(xs) * len(ws))[:, None]
        x = xs[(v // len(ws) + rng.integers(0, len(xs), self.simd)) % len(xs)]
        lanes = self.pe * self.simd
        odd, start = 2 * rng.integers(0, len(ws), lanes) + 1, rng.integers(0, len(ws), lanes)
        return x, ws[(v * odd + start) % len(ws)]


_BENCH = """
module bench;
  reg clk = 0, en = 0;
  reg [{x}:0] xs [0:{last}];
  reg [{w}:0] ws [0:{last}];
  wire [{y}:0] y;
  reg [31:0] n = 0, noise = 1;
  wire [31:0] at = n > {last} ? {last} : n;
  integer file;
  top dut (.clk(clk), .en(en), .x(xs[at]), .w(ws[at]), .y(y));
  initial begin
    $readmemh("x.mem", xs);
    $readmemh("w.mem", ws);
    file = $fopen("y.mem", "w");
    while (n <= {last} + {latency}) begin
      noise = noise * 1664525 + 1013904223;
      en = noise[31:30] != 0;
      #1;
      if (en && n >= {latency}) $fdisplay(file, "%b", y);
      clk = 1;
      #1;
      clk = 0;
      if (en) n = n + 1;
    end
    $finish;
  end
endmodule
"""


def simulate(circuit: PackedSums, netlist: Path, models: list[Path], folder: Path) -> bool:
    """Whether the netlist gives what NumPy does."""
    simulator = find_simulator()
    if isinstance(simulator, str):
        raise SystemExit(simulator)
    x, w = circuit.stimulus()
    coded = w.reshape(len(w), circuit.pe, circuit.simd) + circuit.unit.offsets()[:, None]
    fields = {
        "x": to_bits(x, circuit.x_range.width),
        "w": to_bits(coded.reshape(len(w), -1), circuit.unit.weights.bits),
    }
    for name, bits in fields.items():
        rows = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
        (folder / f"{name}.mem").write_text("\n".join(row.tobytes().hex() for row in rows))
    (folder / "bench.sv").write_text(_BENCH.format(
        last=len(x) - 1, latency=circuit.latency, y=len(circuit.y) - 1,
        x=8 * -(-len(circuit.x) // 8) - 1, w=8 * -(-len(circuit.w) // 8) - 1,
    ))  # fmt: skip
    command = [simulator.path, "--binary", "--timing", "-Wno-fatal", "-Wno-lint", "-Wno-style",
               *NETLIST_ARGS, *(f"-I{path.parent}" for path in models), "-CFLAGS", "-std=c++20", "--top", "bench",
               "bench.sv", str(netlist), *map(str, models)]  # fmt: skip
    environment = {**os.environ, **simulator.environment}
    for step in (command, ["obj_dir/Vbench"]):
        done = subprocess.run(step, cwd=folder, env=environment, capture_output=True, text=True,
                              check=False, errors="replace")  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{step[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    lines = (folder / "y.mem").read_text().split()
    bits = np.array([[c == "1" for c in reversed(line)] for line in lines], np.uint8)
    y = np.einsum("vs,vps->vp", x, w.reshape(len(w), circuit.pe, circuit.simd))
    return len(lines) == len(x) and bool((from_bits(bits, circuit.y_range) == y).all())


def row(kind: str, name: str, *, pe: int = 8, simd: int = 16) -> dict[str, Any]:
    """One row of the table."""
    w_kind, x_bits = name.split("a")
    weight, x_range = folded_weight(w_kind), IntRange.of_bits(int(x_bits), signed=False)
    circuit = PackedSums(PORTS[kind], weight, x_range, pe=pe, simd=simd)
    flow = FLOWS[kind]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "top.il").write_text(rtlil.convert(circuit, name="top", emit_src=False))
        run_yosys("\n".join([
            "read_rtlil top.il", f"{flow.synth} -top top", "tee -q -o stat.json stat -json",
            "write_verilog -noattr top.v",
        ]), folder, timeout=900)  # fmt: skip
        text = (folder / "stat.json").read_text()
        cells = json.loads(text)["modules"]["\\top"]["num_cells_by_type"]
        models = [folder / "cells.v", *write_models(folder, flow.tool, cells)]
        verified = simulate(circuit, folder / "top.v", models, folder)
    usage = Usage.of(cells)
    return {
        "name": f"{kind}_{name}", "simd": simd, "pe": pe, "verified": verified,
        "macs_per_dsp": most_lanes(PORTS[kind], circuit.unit.weights, element(x_range)),
        "dsp_claimed": circuit.unit.dsps, "dsp": usage.dsp, "lut": usage.lut, "ff": usage.ff,
        "inv": cells.get("INV", 0), "lut_estimate": round(circuit.unit.luts),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    for kind in options.port:
        for name in options.only or ROWS[kind]:
            result = row(kind, name)
            store("dsp", [result])
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
