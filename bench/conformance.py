"""Writes docs/conformance.md: ONNX's own node tests, and the figures of bench/random_nets.py.

python -m bench.conformance [--write]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import onnx

from bench.random_nets import RESULTS
from tests.frontends.conformance import OPERATORS, cases, verdict

PAGE = Path(__file__).parent.parent / "docs" / "conformance.md"
NODES = """\
# Conformance

Written by `python -m bench.conformance --write`. Integers are equal, or the row says why not.

## ONNX's own node tests

The tests of onnx {version} for its quantized operators, through the importer and the integer
reference. Everything but the first input is made a constant; a quantizer is tested at the model's
input, where the host computes it, and behind a layer, where it becomes thresholds.
"""
RANDOM = """\
## Random networks

Networks that fork and join, drawn at random (`tests/frontends/branches.py`): 2 to 7 layers over one
or two inputs, one to five outputs, {operators} kinds of ONNX operators. All scales are powers of
two, so that float32 computes exactly and a difference is a fault. *Ties* are frames left out
because a transcendental function, or an average over an odd number of pixels, stands within 1e-5 of
a rounding boundary, where runtimes differ among themselves. Seeds are not those of the tests.
"""


def node_tests() -> str:
    """The table of ONNX's tests: passes by operator, and of the rest each with its reason."""
    passed, rest = defaultdict(list), []
    for case in cases():
        found = {verdict(case, form) for form in case.forms()}
        if found == {"equal"}:
            passed[case.node.op_type].append(case.name)
        else:
            rest.append((case.name, "; ".join(sorted(found - {"equal"}))))
    total = defaultdict(int)
    for case in cases():
        total[case.node.op_type] += 1
    lines = ["", "| operator | equal | of | tests that are equal |", "|---|---|---|---|"]
    lines += [f"| {op} | {len(passed[op])} | {total[op]} | {', '.join(passed[op])} |"
              for op in OPERATORS]  # fmt: skip
    lines += ["", "Not lifted, and why:", "", "| test | reason |", "|---|---|"]
    lines += [f"| {name} | {why} |" for name, why in rest]
    return NODES.format(version=onnx.__version__) + "\n".join(lines) + "\n"


def random_networks(results: dict[str, Any]) -> str:
    """The figures that bench/random_nets.py left."""
    graphs = results["graphs"]
    lines = ["", "| dialect | networks | equal | different | refused | frames | ties |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    columns = ("equal", "different", "refused", "frames", "ties")
    total = dict.fromkeys(columns, 0)
    for dialect, row in graphs["dialects"].items():
        values = {name: row.get(name, 0) for name in columns}
        total = {name: total[name] + values[name] for name in columns}
        lines.append(_row(dialect, values))
    lines += [_row("**all**", total), "", "Refused, and why (# stands for a number):", "",
              "| networks | code, operator, reason |", "|---|---|"]  # fmt: skip
    reasons = sorted(graphs["refusals"].items(), key=lambda item: -item[1])
    lines += [f"| {count} | {why} |" for why, count in reasons]
    lines += ["", "As hardware, other networks of the same generator:", "",
              "| simulator | networks | equal | interval as predicted | |", "|---|---|---|---|---|"]  # fmt: skip
    if "hardware" in results:
        n, stages = results["hardware"]["networks"], results["hardware"]["stages"]
        lines.append(
            f"| Amaranth, with random stalls and without | {n} | {n} | {n} | {stages} stages |"
        )
    if "verilog" in results:
        v = results["verilog"]
        lines.append(f"| Verilator, with random stalls | {v['networks']} | {v['equal']} | "
                     f"{v['interval']} | {v['frames']} frames |")  # fmt: skip
    return RANDOM.format(operators=len(graphs["operators"])) + "\n".join(lines) + "\n"


def _row(name: str, values: dict[str, int]) -> str:
    networks = values["equal"] + values["different"] + values["refused"]
    return f"| {name} | {networks} | " + " | ".join(str(v) for v in values.values()) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    page = node_tests()
    if RESULTS.exists():
        page += "\n" + random_networks(json.loads(RESULTS.read_text()))
    if options.write:
        PAGE.write_text(page)
    else:
        print(page)


if __name__ == "__main__":
    main()
