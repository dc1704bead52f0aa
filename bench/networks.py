"""Networks unrolled, a frame per cycle: ours with its streams, da4ml's and alkaid's without.

python -m bench.networks [--only mlp_digits_64_32_10_w2a4 ...] [--tools hwgen da4ml alkaid]

Ours is a whole build, ``--folding parallel``, simulated by Verilator with and without stalls; a peer's
mapped netlist is simulated against NumPy. All are flattened and mapped by ``synth_xilinx -family xc7
-noiopad -flatten -nodsp``. Peers are staged as in their authors' examples: da4ml four adders to a
stage, alkaid in eight stages. Latency counts registers from input to output; ours, those of the
AXI4-Stream ports among them, is measured. Results go into bench/results/arithmetic.json.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.arithmetic import CASES, RESULTS, map_script, store
from bench.netlist import Netlist
from bench.packing import sites
from bench.peers import generate, peer_outputs
from hwgen import api
from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.emit.yosys import run_yosys

STAGING = {"da4ml": "cutoff=4", "alkaid": "stages=8"}
NETWORKS = tuple(sorted(path.name.removesuffix(".qonnx.onnx") for path in CASES.glob("*.onnx")))
SECONDS = 3000.0


def counts(files: list[str], top: str, folder: Path) -> tuple[Netlist, dict]:
    """The flat xc7 netlist of Verilog files, and what it takes."""
    read = [f"read_verilog -sv -defer {' '.join(files)}", f"hierarchy -top {top}"]
    if top != "top":
        read.append(f"rename {top} top")
    before = _seconds_of_children()
    run_yosys("\n".join(read + map_script("xc7")), folder, timeout=SECONDS)
    seconds = _seconds_of_children() - before
    netlist = Netlist.read(folder / "xc7.json", "top")
    return netlist, netlist.counts() | {
        "lut_sites": sites(netlist), "lut_strict": sites(netlist, strict=True),
        "levels": netlist.levels(), "synth_s": round(seconds),
    }  # fmt: skip


def _seconds_of_children() -> float:
    """CPU time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def reference(case: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The integers of a network for integers ``(B, K)``."""
    for k, shift in enumerate(case["shifts"]):
        x = np.clip((x @ case[f"W{k}"] + case[f"b{k}"]) >> shift, 0, (1 << int(case["abits"])) - 1)
    last = len(case["shifts"])
    return x @ case[f"W{last}"] + case[f"b{last}"]


def hwgen_row(name: str) -> dict:
    """Our build: every simulated integer right, and its netlist."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        build = api.build(CASES / f"{name}.qonnx.onnx", Path(folder, "build"), folding="parallel")
        seconds = time.process_time() - started
        result = api.simulate(build.folder)
        rtl = sorted(str(path.relative_to(build.folder)) for path in build.folder.glob("rtl/*.v"))
        _, found = counts(rtl, build.manifest["top"], build.folder)
    return found | {
        "verified": result["verdict"] == "equal", "interval": result["interval"],
        "latency": result["latency"], "build_s": round(seconds, 1),
    }  # fmt: skip


def peer_row(tool: str, name: str) -> dict:
    """A peer's netlist, equal to NumPy for the network's own frames and for extremes."""
    case = dict(np.load(CASES / f"{name}.npz"))
    with tempfile.TemporaryDirectory() as folder:
        peer = generate(tool, name, Path(folder), STAGING[tool])
        netlist, found = counts(peer["files"], peer["top"], Path(folder))
    x_range = IntRange.of_bits(int(case["in_bits"]), signed=bool(case["in_signed"]))
    rng = np.random.default_rng(0)
    random = rng.integers(x_range.lo, x_range.hi + 1, (500, len(case["W0"])))
    x = np.concatenate([case["Xte"].astype(np.int64), random])
    y = peer_outputs(netlist, x, x_range, peer["fields"])
    return found | {
        "verified": bool((y == reference(case, x)).all()), "interval": 1,
        "latency": netlist.latency(), "build_s": peer["solve_s"], "staging": STAGING[tool],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=NETWORKS)
    parser.add_argument("--tools", nargs="*", default=["hwgen", "da4ml", "alkaid"])
    options = parser.parse_args()
    for name in options.only:
        for tool in options.tools:
            try:
                row = hwgen_row(name) if tool == "hwgen" else peer_row(tool, name)
            except (subprocess.TimeoutExpired, HwgenError) as error:
                row = {"lut_cells": None, "note": str(error)}
            store("networks", [{"name": name, tool: row}])
            print(name, tool, row, flush=True)
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
