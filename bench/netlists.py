"""The testbench of a build, run on what synthesis made of it.

python -m bench.netlists [models/digits_mlp_w2a4.onnx ...]

``hwgen synth --tool yosys-ice40`` maps a build to cells of which yosys has complete models, block
RAM included. The netlist takes the place of the build's Verilog, and ``hwgen sim`` compares every
integer with the reference, as it does before synthesis.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from hwgen import api
from hwgen.emit.manifest import read_manifest
from hwgen.emit.yosys import run_yosys
from hwgen.synth.yosys import ROM_LUTS, yosys_files
from hwgen.verify.run import simulate

TOOL = "yosys-ice40"
MODELS = (
    "models/digits_mlp_w2a4.onnx",
    "models/digits_cnn_w2a4.onnx",
    "models/mnist_bnn_w1a1.onnx",
)


def check(model: str, frames: int) -> dict[str, object]:
    """Frames simulated after synthesis, and how many differ."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text) / "build"
        api.build(model, folder, folding="balanced", frames=frames)
        manifest = read_manifest(folder)
        files = yosys_files(folder, manifest, TOOL, stat="stat.json")
        (folder / ROM_LUTS).write_text(files[ROM_LUTS])
        after = ["setattr -mod -unset keep_hierarchy *", "flatten",
                 "read_verilog -overwrite -D NO_ICE40_DEFAULT_ASSIGNMENTS -D ICE40_HX +/ice40/cells_sim.v",
                 f"hierarchy -top {manifest['top']}", "proc", "setattr -unset keep_hierarchy t:*", "flatten -wb", "opt_clean",
                 "write_verilog -noattr netlist.v"]  # fmt: skip
        run_yosys("\n".join([files["synth/yosys.ys"], *after]), folder, timeout=900)
        for path in (folder / "rtl").glob("*.v"):
            path.unlink()
        (folder / "netlist.v").rename(folder / "rtl" / "netlist.v")
        result = simulate(folder)
    return {"model": Path(model).stem, "frames": result["frames"],
            "mismatches": result["mismatches"], "interval": result["interval"]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--frames", type=int, default=20)
    options = parser.parse_args()
    for model in options.models:
        print(json.dumps(check(model, options.frames)), flush=True)


if __name__ == "__main__":
    main()
