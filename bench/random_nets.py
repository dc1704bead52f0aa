"""Random networks in every dialect: the graph against onnxruntime, hardware against the graph.

python -m bench.random_nets [--count 1000] [--hardware 100] [--verilog 20] [--write]

The graph is compared on 8 frames, element by element. Hardware runs in Amaranth's simulator with
random stalls, and without any to measure its interval; or as Verilog in Verilator.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.frontends.branches import FRAMES
from tests.frontends.compare import compared
from tests.system.test_branches import check, through_verilog

RESULTS = Path(__file__).parent / "results" / "random_nets.json"
FIRST = 10_000  # seeds that no test uses


def graphs(count: int) -> dict[str, Any]:
    """By dialect: how many are equal, different and refused; and how often for which reason."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    operators: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + count):
        found = compared(seed)
        verdict = "refused" if found.reasons else "different" if found.different else "equal"
        if verdict == "different":
            print(f"seed {seed}: {found.different}")
        table[found.net.dialect].update({verdict: 1, "frames": FRAMES, "ties": found.excused})
        reasons.update(set(found.reasons))
        operators.update({node.op_type for node in found.net.model.graph.node})
    return {"dialects": {k: dict(v) for k, v in sorted(table.items())}, "refusals": dict(reasons),
            "operators": dict(sorted(operators.items()))}  # fmt: skip


def hardware(count: int) -> dict[str, int]:
    """How many networks were simulated in Amaranth, and their stages; any fault ends the run."""
    stages = [len(check(seed).stages) for seed in range(FIRST, FIRST + count)]
    return {"networks": count, "stages": sum(stages)}


def verilog(count: int) -> dict[str, int]:
    """How many were simulated as Verilog: ``equal`` ones, and those at the promised interval."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(FIRST, FIRST + count):
            result = through_verilog(seed, Path(folder))
            found.update(networks=1, equal=result["verdict"] == "equal", frames=result["frames"],
                         interval=result["interval"] == result["promised"])  # fmt: skip
    return dict(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="networks against onnxruntime")
    parser.add_argument("--hardware", type=int, default=100, help="in Amaranth's simulator")
    parser.add_argument("--verilog", type=int, default=20, help="as Verilog in Verilator")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part, count in (
        (graphs, options.count), (hardware, options.hardware), (verilog, options.verilog),
    ):  # fmt: skip
        if count:
            start = time.perf_counter()
            results[part.__name__] = part(count)
            results[part.__name__]["seconds"] = round(time.perf_counter() - start)
            print(json.dumps({part.__name__: results[part.__name__]}, indent=1), flush=True)
    if options.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
