"""Threshold circuits: every way to build one layer's, measured, and the one that the costs pick.

python -m bench.thresholds [--only scaled_b4 shift_b8 ...] [--pe 1 8]

64 channels. ``scaled``: a scale and an offset per channel, rounded as float32 rounds; ``one``: one
scale, an offset per channel; ``shift``: a power of two, an integer offset per channel; ``curved``: a
square root. Inputs have 10 bits more than outputs, or 9 beside one. Each circuit is simulated
against NumPy, its cycles are counted there, and it is synthesised alone as by ``hwgen synth --tool
yosys-xc7-area``. Results are merged by name into bench/results/arithmetic.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.arithmetic import store
from bench.blocks import cells
from hwgen.core.intrange import IntRange
from hwgen.emit.verilog import emit
from hwgen.ir.types import TensorType
from hwgen.lowering import Folding, Lowering
from hwgen.ops.threshold import Threshold
from hwgen.schedule.option import Option
from hwgen.synth.yosys import TOOLS
from tests.hw.harness import simulate, timing

CHANNELS, FRAMES, TOOL = 64, 20, "yosys-xc7-area"
CASES = (*(f"scaled_b{n}" for n in (1, 2, 3, 4, 8)), "one_b4", "one_b8", "shift_b4", "shift_b8",
         "curved_b4", "narrow_b4")  # fmt: skip


def case(name: str) -> tuple[Threshold, TensorType]:
    """The table of a kind and a number of output bits, and the type of its input."""
    kind, bits = name.split("_b")
    steps, rng = (1 << int(bits)) - 1, np.random.default_rng(0)
    x = IntRange.of_bits(int(bits) + 10 if kind != "narrow" else 8, signed=True)
    scale = rng.uniform(2.0**-9, 2.0**-7, (CHANNELS, 1)) if kind != "narrow" else 2.0**-3
    if kind in ("one", "shift"):
        scale = np.full((CHANNELS, 1), 2.0**-8 if kind == "shift" else 0.0043)
    offset = rng.uniform(-0.2, 0.2, (CHANNELS, 1)) * steps
    every = np.arange(x.lo, x.hi + 1)
    if kind == "shift":
        y = (every + np.rint(offset * 256).astype(int)) >> 8
    else:
        real = every.astype(np.float32) * np.float32(scale) + np.float32(offset)
        curved = np.sqrt(real.clip(0) * np.float32(steps)) if kind == "curved" else real
        y = np.rint(curved).astype(int)
    table = [np.searchsorted(row.clip(0, steps), np.arange(1, steps + 1)) + x.lo for row in y]
    return Threshold(np.stack(table)), TensorType((CHANNELS,), x)


def rows(name: str, pe: int, circuits: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """One for every circuit that there is at this PE, or of those named."""
    op, x = case(name)
    ways = [*Lowering.of(op), *(v for w in Lowering.of(op) for v in w.in_dsps("dsp48e1"))]
    ways = [w for w in ways if w.applies(op, x) and Folding(pe) in w.foldings(op, x)]
    options = [Option(w, Folding(pe), w.cost(op, Folding(pe), x)) for w in ways]
    names = [option.lowering.name for option in options]
    least = min((o for o in options if not o.cost.dsp), key=lambda option: option.size)
    frames = np.random.default_rng(1).integers(x.range.lo, x.range.hi + 1, (FRAMES, CHANNELS))
    for option in options:
        if option.cost.lut > 4000 or option.lowering.name not in (circuits or names):
            continue  # comparators of 8 bits are left out
        block = option.lowering.build(op, option.folding, x)
        result = simulate(block, frames.reshape(-1, pe), expected_beats=FRAMES * CHANNELS // pe)
        interval, latency = timing(result, FRAMES)
        verified = bool((result.output.reshape(frames.shape) == op.reference(frames)).all())
        memories = emit(option.lowering.build(op, option.folding, x), "block").memories
        yield {
            "name": f"{name}_pe{pe}_{option.lowering.name}", "case": name, "pe": pe,
            "circuit": option.lowering.name, "picked": option is least, "verified": verified,
            "interval": interval, "latency": latency,
            "rom_bytes": sum(len(rom.words) * rom.width for rom in memories.values()) // 8,
            **cells(option.lowering.build(op, option.folding, x), TOOLS[TOOL].script("block")),
            "estimate": {"lut": option.cost.lut, "ff": option.cost.ff, "bram": option.cost.bram},
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument("--pe", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--circuits", nargs="*")
    options = parser.parse_args()
    for name in options.only:
        for pe in options.pe:
            for row in rows(name, pe, options.circuits):
                store("thresholds", [row])
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
