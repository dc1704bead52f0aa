"""The blocks of one layer in FINN's configuration: cores, thresholds, window.

python -m bench.blocks [--only mac_w4a4 thresholds_search window_3x3 ...]

256 inputs, 64 outputs, PE = 8, SIMD = 16; thresholds of 64 channels with 15 levels and 16-bit
inputs, 8 at a time; 3 x 3 windows of 32 channels of 4 bits over 34 x 34 pixels, one per cycle.
Each is simulated against NumPy, its cycles are counted there, and it is synthesised alone by
``synth_xilinx -family xc7 -flatten -noiopad``; LUT cells include those used as memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib.wiring import Component

from bench.arithmetic import store
from bench.netlist import Netlist
from bench.packing import sites
from hwgen.core.intrange import IntRange
from hwgen.core.window import Window, windows
from hwgen.emit.templates import template
from hwgen.emit.verilog import emit
from hwgen.emit.yosys import run_yosys
from hwgen.hw.comparator_bank import ComparatorBank
from hwgen.hw.dsp_layout import PORTS, Packing
from hwgen.hw.mac_array import MacArray
from hwgen.hw.parallel_window import ParallelWindow
from hwgen.hw.threshold_search import ThresholdSearch
from hwgen.ops.matmul import accumulator_range
from hwgen.ops.threshold import Threshold
from hwgen.synth.report import Usage
from hwgen.synth.yosys import ROM_LUTS
from tests.hw.harness import simulate, timing

Block = tuple[Component, np.ndarray, np.ndarray, int]  # component, beats in, beats out, frames
FRAMES = 3
PLAIN = "synth_xilinx -family xc7 -flatten -noiopad -top block"  # ROMs through ABC


def mac(w_bits: int, x_bits: int, dsp: str = "") -> Block:
    rng = np.random.default_rng(0)
    weight = rng.integers(-(1 << (w_bits - 1)), 1 << (w_bits - 1), (256, 64))
    x_range = IntRange.of_bits(x_bits, signed=False)
    x = rng.integers(0, x_range.hi + 1, (FRAMES, 256))
    core = MacArray(x_range, weight, accumulator_range(weight, x_range), pe=8, simd=16,
                    packing=Packing(PORTS[dsp]) if dsp else None)  # fmt: skip
    return core, x.reshape(-1, 16), (x @ weight).reshape(-1, 8), FRAMES


def thresholds(circuit: type) -> Block:
    rng = np.random.default_rng(0)
    x_range = IntRange.of_bits(16, signed=True)
    table = np.sort(rng.integers(x_range.lo, x_range.hi, (64, 15)), axis=1)
    x = rng.integers(x_range.lo, x_range.hi + 1, (20, 64))
    block = circuit(x_range, IntRange(0, 15), table, channels=64, lanes=8)
    return block, x.reshape(-1, 8), Threshold(table).reference(x).reshape(-1, 8), 20


def window() -> Block:
    range_, shape = IntRange.of_bits(4, signed=False), (34, 34, 32)
    x = np.random.default_rng(0).integers(0, 16, (2, *shape))
    block = ParallelWindow(range_, shape, 32, (3, 3))
    y = windows(x, Window((3, 3)), 0)
    return block, x.reshape(-1, 32), y.reshape(-1, 9 * 32), 2


BLOCKS: dict[str, Callable[[], Block]] = {
    "mac_w2a4": lambda: mac(2, 4), "mac_w4a4": lambda: mac(4, 4), "mac_w8a8": lambda: mac(8, 8),
    **{f"mac_w{w}a{a}_dsp": lambda w=w, a=a: mac(w, a, "dsp48e1") for w, a in ((2, 4), (4, 4), (8, 8))},
    "thresholds_search": lambda: thresholds(ThresholdSearch),
    "thresholds_bank": lambda: thresholds(ComparatorBank), "window_3x3": window,
}  # fmt: skip


def row(name: str) -> dict[str, Any]:
    """Cycles by simulation, cells by synthesis."""
    block, x, y, frames = BLOCKS[name]()
    result = simulate(block, x, expected_beats=len(y))
    interval, latency = timing(result, frames)
    return {
        "name": name, "verified": bool((result.output == y).all()),
        "interval": interval, "latency": latency, **cells(block),
    }  # fmt: skip


def cells(block: Component, synth: str = PLAIN) -> dict[str, Any]:
    """What a component, whose top is then ``block``, takes when it is synthesised alone."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        files = emit(block, "block").write(folder)
        script = [f"read_verilog -defer {path}" for path in files if path.endswith(".v")]
        script += [f"read_verilog -lib {ROM_LUTS}", synth, "write_json block.json"]
        (folder / ROM_LUTS).parent.mkdir(exist_ok=True)
        (folder / ROM_LUTS).write_text(template(ROM_LUTS))
        run_yosys("\n".join(script), folder, timeout=900)
        netlist = Netlist.read(folder / "block.json", "block")
    usage = Usage.of(netlist.cells)
    memory = usage.lut - sum(netlist.cells[f"LUT{k}"] for k in range(1, 7))
    return {
        "lut": usage.lut, "lut_sites": sites(netlist) + memory, "ff": usage.ff, "bram": usage.bram,
        "dsp": usage.dsp, "carry4": usage.carry,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=list(BLOCKS))
    for name in parser.parse_args().only:
        result = row(name)
        store("blocks", [result])
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
