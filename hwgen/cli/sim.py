"""hwgen sim: simulate a build and compare every integer."""

from __future__ import annotations

import argparse

from hwgen.terminal import Terminal

TEXT = "simulate a build and compare every integer"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--frames", type=int, help="frames to simulate (all that are stored)")
    parser.add_argument("--stall", type=float, default=0.3, help="probability of a stall (0.3)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the stalls (1)")
    parser.add_argument("--waves", action="store_true", help="record sim/waves.fst")


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    terminal.progress("simulating in Verilator")
    result = api.simulate(
        options.folder,
        frames=options.frames,
        stall=options.stall,
        seed=options.seed,
        waves=options.waves,
    )
    terminal.result(
        result,
        f"{result['frames'] - result['mismatches']}/{result['frames']} frames bit-exact\n"
        f"  measured: {result['interval']} cycles per frame ({result['expected_interval']} "
        f"predicted), latency {result['latency']} cycles",
    )
