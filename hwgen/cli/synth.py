"""hwgen synth: synthesize a build with an open tool."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from hwgen.terminal import Terminal

TEXT = "synthesize a build with an open tool"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument(
        "--tool",
        default="yosys-xc7",
        help="yosys-xc7, yosys-xc7-area, yosys-xcup, yosys-ecp5, yosys-ice40 or yosys-gates",
    )
    parser.add_argument(
        "--check", action="store_true", help="simulate the netlist, and compare every integer"
    )
    parser.add_argument("--frames", type=int, help="frames of --check (all that are stored)")


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    terminal.progress(f"running {options.tool}" + (" and Verilator" if options.check else ""))
    report = api.synthesize(
        options.folder, options.tool, check=options.check, frames=options.frames
    )
    manifest = api.load(options.folder).manifest
    estimates = {s["name"]: s["estimate"] for s in manifest["stages"]} | {"": manifest["between"]}
    kinds = ("lut", "ff", "bram", "dsp")
    estimates["total"] = {kind: sum(e[kind] for e in estimates.values()) for kind in kinds}
    counted = ("gates" if report.total.gates else "lut", *kinds[1:])
    rows = [
        (name or "between stages", *(f"{getattr(usage, kind):g}" for kind in counted),
         *(f"{estimates[name][kind]:g}" if name in estimates else "" for kind in kinds))
        for name, usage in [*report.stages.items(), ("total", report.total)]
    ]  # fmt: skip
    text = (
        f"BRAM in blocks of 36 Kibit; netlist, log, report and the commands that gave it in "
        f"{options.folder}/synth/{options.tool}"
    )
    if report.check:
        text += f"\n  netlist simulated: {report.check['frames']} frames, all bit-exact"
    terminal.result(
        {**asdict(report), "estimates": estimates},
        text,
        (("stage", counted[0].upper(), "FF", "BRAM", "DSP", "est. LUT", "FF", "BRAM", "DSP"), rows),
    )
