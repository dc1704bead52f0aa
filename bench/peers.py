"""da4ml and alkaid on the constant matrices, through the flow of bench.arithmetic.

python -m bench.peers [--only cmvm_16x16_w4a4 ...] [--tools da4ml alkaid] [--variants _staged]
    [--mappings xc7]

Each peer writes combinational Verilog in its own environment (`make bench-peers` installs it in
.venv/peers); it gets the registers at the edges that ours has, the same two mappings, the same
simulation of the mapped netlist. The figures go beside ours into bench/results/arithmetic.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from bench.arithmetic import (
    CASES,
    CONSTANT,
    MAPPINGS,
    RESULTS,
    SYNTH_SECONDS,
    VECTORS,
    case,
    map_script,
    store,
    to_bits,
)  # fmt: skip
from bench.netlist import Netlist
from bench.packing import sites
from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.emit.yosys import run_yosys

PYTHON = Path(__file__).parents[1] / ".venv" / "peers" / "bin" / "python"
SOLVE_SECONDS = 1800
STAGING = "cutoff=2"  # adders between two registers, for the rows that are pipelined

TOP = """module top(input clk, input [{x}:0] x, output reg [{y}:0] y);
  reg [{x}:0] taken; wire [{y}:0] result;
  always @(posedge clk) begin taken <= x; y <= result; end
  peer peer(.model_inp(taken), .model_out(result));
endmodule
"""


def peer_outputs(netlist: Netlist, x: np.ndarray, x_range: IntRange, fields: list) -> np.ndarray:
    """The integers that a peer's mapped netlist makes of ``x`` ``(B, K)``, after all its registers."""
    port = next(name for name in netlist.inputs if name != "clk")
    (bits,) = netlist.evaluate({port: to_bits(x, x_range.width)}).values()
    bits, start, columns = bits.astype(np.int64), 0, []
    for signed, width, shift in fields:
        field = bits[:, start : start + width]
        value = (field << np.arange(width)).sum(axis=1)
        if signed and width:
            value -= field[:, -1] << width
        columns.append(value << shift)
        start += width
    return np.stack(columns, axis=1)


def check(netlist: Netlist, weight: np.ndarray, x_range: IntRange, fields: list) -> bool:
    """Whether the mapped netlist computes ``x @ weight``."""
    rng = np.random.default_rng(0)
    x = rng.integers(x_range.lo, x_range.hi + 1, (VECTORS, len(weight)))
    extremes = np.where(weight.T > 0, x_range.hi, x_range.lo)[: VECTORS // 2]
    x[: len(extremes)] = extremes
    return bool((peer_outputs(netlist, x, x_range, fields) == x @ weight).all())


def generate(tool: str, name: str, folder: Path, *staging: str) -> dict:
    """Let a peer write its Verilog of a case into ``folder``; what it prints."""
    done = subprocess.run(
        [PYTHON, Path(__file__).parent / "peer_case.py", tool, CASES / f"{name}.npz", folder,
         *staging],
        capture_output=True, text=True, timeout=SOLVE_SECONDS, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def measure(tool: str, name: str, *, staged: bool, mappings: Sequence[str]) -> dict:
    """A peer's figures for a case: those of some mappings, and the better one's sites."""
    weight, x_range = case(name)
    with tempfile.TemporaryDirectory() as folder:
        peer = generate(tool, name, Path(folder), *([STAGING] if staged else []))
        widths = {"x": len(weight) * x_range.width, "y": sum(w for _, w, _ in peer["fields"])}
        if not staged:  # registers at the edges, as pipelines have of their own
            Path(folder, "top.v").write_text(TOP.format(**{k: v - 1 for k, v in widths.items()}))
        row: dict = {"solve_s": peer["solve_s"], "adders": peer["adders"], "verified": True}
        for mapping in mappings:
            read = [f"read_verilog -sv -defer {' '.join(peer['files'])}"]
            read += ["hierarchy -top peer", "rename peer top"] if staged else [
                "read_verilog top.v", "hierarchy -top top"
            ]  # fmt: skip
            run_yosys("\n".join(read + map_script(mapping)), Path(folder), timeout=SYNTH_SECONDS)
            netlist = Netlist.read(Path(folder, f"{mapping}.json"), "top")
            row["verified"] &= check(netlist, weight, x_range, peer["fields"])
            row[mapping] = netlist.counts() | {
                "lut": sites(netlist), "lut_strict": sites(netlist, strict=True),
                "levels": netlist.levels(), "latency": netlist.latency(),
            }  # fmt: skip
    best = min(mappings, key=lambda k: row[k]["lut"])
    return row | {"mapping": best, "lut": row[best]["lut"], "depth": row[best]["levels"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=CONSTANT)
    parser.add_argument("--tools", nargs="*", default=["da4ml", "alkaid"])
    parser.add_argument("--variants", nargs="*", default=["", "_staged"], choices=["", "_staged"],
                        help="with two adders between registers, or combinational")  # fmt: skip
    parser.add_argument("--mappings", nargs="*", default=list(MAPPINGS), choices=list(MAPPINGS))
    options = parser.parse_args()
    for name, variant, tool in product(options.only, options.variants, options.tools):
        try:
            row = measure(tool, name, staged=bool(variant), mappings=options.mappings)
        except (subprocess.TimeoutExpired, HwgenError) as error:
            row = {"lut": None, "note": str(error)[:200]}
        data = json.loads(RESULTS.read_text())
        own = name + variant
        ours = next((r for r in data["constant"] if r["name"] == own), {"name": own})
        store("constant", [ours | {tool: row, f"{tool}_lut": row["lut"]}])
        print(own, tool, row, flush=True)


if __name__ == "__main__":
    main()
