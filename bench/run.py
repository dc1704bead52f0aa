"""Builds, simulates and synthesizes the shipped models and prints one table.

python bench/run.py [--tool yosys-xc7] [--folding serial balanced parallel] [-o build/bench]

Every row is of a design whose every simulated integer was right; cycles are measured.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import hwgen
from hwgen import api
from hwgen.core.resources import resource

HEAD = ("model", "folding", "cycles/frame", "latency", "LUT", "estimated", "FF", "BRAM36", "DSP",
        "build s", "sim s", "synth s")  # fmt: skip


def row(model: Path, folding: str, out: Path, tool: str) -> tuple[str, ...]:
    """Build, simulate, synthesize one design; every figure but ``estimated`` is measured."""
    start = time.perf_counter()
    built = api.build(model, out / f"{model.stem}_{folding}", folding=folding, frames=20)
    built_at = time.perf_counter()
    result = api.simulate(built.folder)
    simulated_at = time.perf_counter()
    total = api.synthesize(built.folder, tool).total
    estimate = sum(stage["estimate"]["lut"] for stage in built.manifest["stages"])
    seconds = (built_at - start, simulated_at - built_at, time.perf_counter() - simulated_at)
    return (
        model.stem, folding, str(result["interval"]), str(result["latency"]), str(total.lut),
        str(estimate), str(total.ff), f"{total.bram:g}", str(total.dsp),
        *(f"{value:.1f}" for value in seconds),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", default="yosys-xc7")
    parser.add_argument("--folding", nargs="+", default=["serial", "balanced"])
    parser.add_argument("-o", "--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, hwgen {hwgen.__version__}, {options.tool}, "
          f"{platform.machine()}, Python {platform.python_version()}\n")  # fmt: skip
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for model in sorted(resource("models").glob("*.onnx")):
        for folding in options.folding:
            cells = row(model, folding, options.out, options.tool)
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
