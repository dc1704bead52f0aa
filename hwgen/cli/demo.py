"""hwgen demo: build and simulate a shipped model."""

from __future__ import annotations

import argparse
from pathlib import Path

from hwgen.terminal import Terminal

TEXT = "build and simulate a shipped model"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="digits_mlp_w2a4", help="a shipped model's name")
    parser.add_argument("-o", "--out", help="folder to write (build/demo_<model>)")
    parser.add_argument("--frames", type=int, default=200, help="frames to simulate (200)")


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api
    from hwgen.demo import accuracy, shipped

    model, frames = shipped(options.model)
    out = Path(options.out or Path("build", f"demo_{model.stem}"))
    built = api.build(
        model, out, frames_file=frames, frames=options.frames, progress=terminal.progress
    )
    terminal.progress("simulating in Verilator")
    result = api.simulate(out)
    right, total = accuracy(built, frames)
    terminal.result(
        {
            "model": str(model), "build": str(out), "reused": built.reused,
            "frames": result["frames"], "mismatches": result["mismatches"],
            "interval": result["interval"], "latency": result["latency"],
            "accuracy": right / total,
        },
        f"{result['frames'] - result['mismatches']}/{result['frames']} frames bit-exact: "
        f"the Verilog gives the integers of the reference, under random stalls and after a reset\n"
        f"  {right}/{total} test frames classified rightly ({right / total:.2%})\n"
        f"  {result['interval']} cycles per frame, latency {result['latency']} cycles (measured)\n"
        f"  Verilog     {out}/rtl\n"
        f"  report      {out}/reports/index.md\n"
        f"  simulate    hwgen sim {out}   (or: make -C {out}/sim)\n"
        f"  synthesize  hwgen synth {out} --tool yosys-xc7",
    )  # fmt: skip
