"""hwgen build: turn a model into Verilog with a testbench."""

from __future__ import annotations

import argparse
from pathlib import Path

from hwgen.cli.model_options import add_model_options, prepared
from hwgen.report.evidence import summary
from hwgen.terminal import Terminal

TEXT = "turn a model into Verilog with a testbench"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("-o", "--out", help="folder to write (build/<model>)")
    add_model_options(parser)
    parser.add_argument("--target", default="verilog", help="verilog")
    parser.add_argument(
        "--folding", default="balanced", help="serial, balanced, parallel, or a folding .json"
    )
    parser.add_argument("--interval", type=int, help="cycles per frame not to exceed")
    parser.add_argument("--fps", type=float, help="frames per second to reach at --clock-mhz")
    parser.add_argument("--clock-mhz", type=float, default=100.0, help="clock in MHz (100)")
    parser.add_argument(
        "--dsp",
        metavar="KIND",
        help="DSPs to multiply in: dsp48e1, dsp48e2 or mult18x18 (none, only LUTs)",
    )
    parser.add_argument("--dsps", type=int, metavar="N", help="DSPs to use at most (any number)")
    parser.add_argument("--frames", type=int, default=100, help="frames of stimulus to store (100)")
    parser.add_argument("--frames-file", help=".npy or .npz with model inputs to simulate")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random frames (0)")
    parser.add_argument(
        "--compare",
        type=int,
        default=8,
        metavar="N",
        help="frames on which to compare with the source model, 0 for none (8)",
    )


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    chosen = {
        name: getattr(options, name)
        for name in ("target", "folding", "interval", "fps", "clock_mhz",
                     "dsp", "dsps", "frames", "seed", "compare")
    }  # fmt: skip
    frames_file = Path(options.frames_file) if options.frames_file else None
    built = api.build(options.model, options.out, frames_file=frames_file,
                      progress=terminal.progress, **chosen, **prepared(options))  # fmt: skip
    m = built.manifest
    rows = [
        (s["name"], s["op"], "x".join(map(str, s["output"]["shape"])), str(s["output"]["bits"]),
         str(s["pe"]), str(s["simd"]), str(s["estimate"]["interval"]), str(s["estimate"]["lut"]),
         str(s["estimate"]["dsp"]))
        for s in m["stages"]
    ]  # fmt: skip
    note = "is up to date" if built.reused else "written"
    evidence = built.comparison
    terminal.result(
        {"build": str(built.folder), "reused": built.reused, "interval": m["interval"],
         "stages": m["stages"], "source": evidence},
        f"{built.folder} {note}: {m['interval']} cycles per frame, "
        f"{m['clock_mhz'] * 1e6 / m['interval']:.0f} frames/s at {m['clock_mhz']:g} MHz\n"
        f"  source model: {summary(evidence)}\n"
        f"  next: hwgen sim {built.folder}",
        (("stage", "op", "output", "bits", "PE", "SIMD", "cycles", "LUT (est.)", "DSP"), rows),
    )  # fmt: skip
