"""Netlists simulated in Verilator: builds of the shipped models, and the blocks of bench.blocks.

python -m bench.netlists [--tools yosys-xc7 yosys-ecp5 ...] [--only digits_mlp_w2a4 mac_w4a4 ...]

Each is mapped by ``hwgen synth``, and its netlist runs with the cells' models in the place of the
design: frames back to back, with stalls on both sides, and with a reset in a frame, every integer
compared with NumPy's. Rows are merged by name into bench/results/arithmetic.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.arithmetic import store
from bench.blocks import BLOCKS
from hwgen import api
from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.emit.manifest import Manifest, PortInfo, StageInfo
from hwgen.emit.templates import sim_files
from hwgen.emit.verilog import emit
from hwgen.hw.axi_stream import AxiPort, AxiStreamTop
from hwgen.ir.graph import Port
from hwgen.ir.types import TensorType
from hwgen.lowering import Cost
from hwgen.synth.netlist import write_models
from hwgen.synth.yosys import TOOLS, synthesize
from hwgen.verify.run import simulate
from tests.hw import harness

MODELS = {path.stem: path for path in sorted(Path(__file__).parents[1].glob("models/*.onnx"))}


def write_build(
    make: Callable[[], Any], x: np.ndarray, y: np.ndarray, frames: int, folder: Path
) -> None:
    """A build folder that holds one component with AXI4-Stream ports, and its vectors.

    ``x``, ``y``: the beats (beats, lanes) of ``frames`` frames. The expected cycles are those of
    the component in Amaranth's simulator.
    """
    result = harness.simulate(make(), x, expected_beats=len(y))
    (interval, latency), block = harness.timing(result, frames), make()
    ends = []
    for stream, beats, prefix in (("i", x, "s_axis"), ("o", y, "m_axis")):
        shape = getattr(block, stream).payload.shape()
        element = shape.elem_shape
        range_ = IntRange.of_bits(element.width, signed=element.signed)
        type_ = TensorType((len(beats) // frames * shape.length,), range_)
        end = Port(stream, stream, type_.shape, np.arange(type_.size))
        ends.append((AxiPort(stream, shape.length, range_, len(beats) // frames),
                     PortInfo.at(end, prefix, type_, shape.length)))  # fmt: skip
    (i, source), (o, sink) = ends
    emit(AxiStreamTop(block, [i], [o]), "block").write(folder)
    latency += AxiStreamTop.LATENCY
    # As a stage it keeps its module, like those of a build.
    stage = StageInfo("block", type(block).__name__, "", 1, 1, "core", sink, Cost(0, 0, 0, 0, 0, 0))
    manifest = Manifest("block", "block", 100.0, interval, latency, (source,), (sink,), (stage,))
    (folder / "manifest.json").write_text(manifest.text(), "utf-8")
    for path, text in sim_files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    arrays = {"input:i": x, "output:o": y, "edge:o": y}
    arrays = {key: beats.reshape(frames, -1) for key, beats in arrays.items()}
    np.savez(folder / "sim/vectors.npz", **arrays)


def row(name: str, tool: str) -> dict[str, Any]:
    """What the simulation of one netlist says."""
    started = time.time()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text, "build")
        if name in MODELS:
            api.build(MODELS[name], folder, folding="balanced")
        else:
            write_build(lambda: BLOCKS[name]()[0], *BLOCKS[name]()[1:], folder)
        report = synthesize(folder, tool)
        netlist = folder / "synth" / tool
        try:
            cells = write_models(netlist, tool, report.total.cells)
            result = simulate(folder, netlist=netlist, cells=cells)
        except HwgenError as error:
            return {"name": f"{name} {tool}", "verified": False, "why": str(error)}
    usage = report.stages.get("block", report.total)
    return {
        "name": f"{name} {tool}", "verified": result["verdict"] == "equal",
        "frames": result["frames"], "mismatches": result["mismatches"],
        "cycles": sum(scenario["cycles"] for scenario in result["scenarios"]),
        **{k: result[k] for k in ("interval", "expected_interval", "latency")}, "lut": usage.lut, "gates": usage.gates, "ff": usage.ff,
        "bram": usage.bram, "dsp": usage.dsp, "seconds": round(time.time() - started),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tools", nargs="*", default=["yosys-xc7", "yosys-ecp5", "yosys-ice40",
                                                       "yosys-gates"], choices=list(TOOLS))  # fmt: skip
    parser.add_argument("--only", nargs="*", default=[*MODELS, *BLOCKS])
    options = parser.parse_args()
    for name in options.only:
        for tool in options.tools:
            if name.endswith("_dsp") and "xc7" not in tool:
                continue  # made for the DSPs of that family
            result = row(name, tool)
            store("netlists", [result])
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
