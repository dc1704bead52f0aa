"""One network per training method all the way to Verilog; a table of docs/research.md.

python bench/research_rtl.py [--only "SAT W2A2" ...] [--write]

Trains (seed 0), exports, builds, simulates up to 120 test images at full rate and under random
stalls, and synthesizes for 7-series by yosys. Every integer must be the reference's, or there is
no row; the accuracy is then that of the Verilog. Needs torch here, and hwgen with a simulator in the
`.venv/bin` of the checkout: `make bench-research`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from research_common import DEEP, PAGE, ROOT, settle_torch
from research_sparse import BINARY, ROBUST
from torch import nn

from hwgen.training.data import Data, load
from hwgen.training.export import to_onnx
from hwgen.training.network import Recipe, float_network
from hwgen.training.quantizers import weight_layers
from hwgen.training.recipes import recipe_of, train
from hwgen.training.switchable import single, to_onnx_all

FRAMES = 120
RESULTS = ROOT / "bench/results/research_rtl.json"
HWGEN = ROOT / ".venv/bin/hwgen"
SMALL = replace(DEEP, data="digits", epochs=8)
SWITCHED = recipe_of("digits", method="sp-net", epochs=8)
TAGGER = recipe_of("jets", method="lsq", wbits=4, abits=4, edge_bits=4, dense=(32, 32), epochs=8)


@dataclass(frozen=True)
class Case:
    """A recipe, or the name of a robust network, and how it is built; ``bits`` of an SP-Net."""

    recipe: Recipe | str
    options: tuple[str, ...] = ()
    bits: int = 0


def digits(method: str, **changes: int) -> Case:
    return Case(recipe_of("digits", method=method, epochs=8, **changes))


def deep(method: str, wbits: int, abits: int, keep: float = 0.5, interval: int = 576) -> Case:
    """The deeper network of the tables, at the same cycles per frame whatever it costs."""
    recipe = replace(SMALL, method=method, wbits=wbits, abits=abits, keep=keep)
    return Case(recipe, ("--interval", str(interval)))


UNROLLED = ("--folding", "parallel")
CASES = {
    "PACT W2A2": digits("pact"), "SAT W2A2": digits("sat"), "LSQ W2A2": digits("lsq"),
    "LSQ+ W2A2": digits("lsq+"), "TQT W4A4": digits("tqt", wbits=4, abits=4),
    "N2UQ W2A2": digits("n2uq"), "HWGQ W2A2": digits("hwgq"), "ternary, A2": digits("ternary"),
    "XNOR W1A1": digits("xnor"),
    "QGT W2A2, faces": Case(recipe_of("faces")),
    "QGT W2A8": deep("qgt", 2, 8),
    "dense W8A8": deep("rvsm", 8, 8, keep=1.0),
    "RGSM W8A8, half of the channels": deep("rgsm", 8, 8),
    "RVSM W8A8, 20 % of the weights": deep("rvsm", 8, 8, keep=0.2),
    "RVSCGD W8A1, 20 % of the weights": Case(replace(BINARY, keep=0.2)),
    "A2Q W4A4, 12-bit accumulators": deep("a2q", 4, 4),
    "A2Q+ W4A4, 12-bit accumulators": deep("a2q+", 4, 4),
    "robust ensemble of two, half of the channels":
        Case("PGD, noisy ensemble of two, half of the channels"),
    **{f"SP-Net at {k} bits": Case(SWITCHED, ("--output-name", f"y{k}"), k) for k in (8, 4, 2)},
    "LSQ W6A6, jets": Case(recipe_of("jets", epochs=8)),
    "unrolled, jets W4A4, dense": Case(replace(TAGGER, method="rvsm", keep=1.0), UNROLLED),
    "unrolled, jets W4A4, 20 % of the weights":
        Case(replace(TAGGER, method="rvsm", keep=0.2), UNROLLED),
}  # fmt: skip


@cache
def trained(recipe: Recipe | str) -> tuple[nn.Sequential, Data, int]:
    """Network, data, and the bytes of the float network: weights, and a bias for each output."""
    if isinstance(recipe, str):
        data = load("digits")
        net, model = ROBUST[recipe].train(data)[0], ROBUST[recipe].network(data)
    else:
        made = train(recipe)
        net, data, model = made.net, made.data, float_network(recipe, made.data)
    layers = [layer for _, layer in weight_layers(model)]
    return net, data, 4 * sum(w.weight.numel() + w.weight.shape[0] for w in layers)


def measured(case: Case) -> dict[str, float]:
    """Build and simulate; raises CalledProcessError where one integer differs."""
    whole, data, full = trained(case.recipe)
    model = (to_onnx_all if case.bits else to_onnx)(whole, data.shape)
    net = (single(whole, case.bits) if case.bits else whole).eval()
    x, y = (part[:FRAMES] for part in data.test)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build, frames, outputs = folder / "b", folder / "x.npy", folder / "y.npy"
        (folder / "net.onnx").write_bytes(model.SerializeToString())
        np.save(frames, x)
        built = hwgen("build", folder / "net.onnx", "--frames-file", frames, "--frames", len(x),
                      "-o", build, *case.options)  # fmt: skip
        found = hwgen("sim", build)
        assert found["mismatches"] == 0 and found["frames"] >= 2 * len(x)
        hwgen("run", build, "--engine", "rtl", "--input", frames, "--output", outputs)
        right = np.load(outputs).reshape(len(x), -1).argmax(1) == y
        rom = rom_bytes(build)
        used = hwgen("synth", build)["total"]
    return {
        "fake-quantized": float((net(torch.from_numpy(x)).argmax(1).numpy() == y).mean() * 100),
        "verilog": float(right.mean() * 100), "frames": len(x),
        "weights": sum(int((layer.weight != 0).sum()) for _, layer in weight_layers(net)),
        "float_bytes": full, "rom": rom, "lut": used["lut"], "ff": used["ff"],
        "bram": used["bram"], "estimate": sum(s["estimate"]["lut"] for s in built["stages"]),
        "interval": found["interval"],
    }  # fmt: skip


def rom_bytes(build: Path) -> int:
    """Words times their width, over all memories that the Verilog instantiates."""
    bits = 0
    for path in build.glob("rtl/*.v"):
        for parameters in re.findall(r"(?m)^ *hwgen_rom_\w+ #\(([^;]*?)\n +\) ", path.read_text()):
            depth, width = (int(re.search(rf"\.{name}\((\d+)\)", parameters).group(1))
                            for name in ("DEPTH", "WIDTH"))  # fmt: skip
            bits += depth * width
    return -(-bits // 8)


def hwgen(*words: object) -> dict:
    done = subprocess.run([str(HWGEN), *map(str, words), "--json"], capture_output=True, text=True,
                          check=True)  # fmt: skip
    return json.loads(done.stdout)


def write(rows: dict[str, dict[str, float]]) -> None:
    """Merge into the results and put the table between the markers of the page."""
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored = {name: (stored | rows)[name] for name in CASES if name in stored | rows}
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
    head = ("network", "PyTorch, %", "Verilog, %", "weights not 0", "float bytes", "ROM bytes",
            "float / ROM", "LUT", "LUT (est.)", "FF", "BRAM", "cycles/frame")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, row in stored.items():
        ratio = f"{row['float_bytes'] / row['rom']:.1f}" if row["rom"] else "no ROM"
        cells = (name, f"{row['fake-quantized']:.1f}", f"{row['verilog']:.1f}", row["weights"],
                 row["float_bytes"], row["rom"], ratio, row["lut"], row["estimate"], row["ff"],
                 f"{row['bram']:g}", row["interval"])  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    begin, end = "<!-- rtl -->", "<!-- /rtl -->"
    before, rest = PAGE.read_text().split(begin, 1)
    PAGE.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + end + rest.split(end, 1)[1])


def row_of(name: str) -> tuple[str, dict[str, float]]:
    settle_torch()
    start = time.perf_counter()
    return name, measured(CASES[name]) | {"seconds": round(time.perf_counter() - start)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time")
    parser.add_argument("--write", action="store_true", help="into docs/research.md")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for name, row in pool.map(row_of, options.only):
            print(f"{name}: {json.dumps(row)}", file=sys.stderr, flush=True)
            if options.write:
                write({name: row})


if __name__ == "__main__":
    main()
