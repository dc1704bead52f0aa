"""Tables of constant matrices and unrolled networks out of bench/results/arithmetic.json, ours beside the peers'.

python -m bench.tables [--write]    # prints them, or puts them into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.arithmetic import RESULTS, VARIANTS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
TOOLS = ("hwgen", "da4ml", "alkaid")
KINDS = {"w4a4": "int4", "w6a6": "int6", "w8a8": "int8", "ternary_a4": "ternary, 4-bit inputs",
         "ternary_a8": "ternary, 8-bit inputs", "bipolar_a1u": "bipolar, 1-bit inputs"}  # fmt: skip


def cell(mapped: dict | None, variant: str) -> str:
    """LUT cells / sites / levels, and of pipelines also flip-flops and latency."""
    if mapped is None:
        return "-"
    shown = ["lut_cells", "lut", "levels"] + (["ff", "latency"] if variant else [])
    return " / ".join(str(mapped.get(key, "-")) for key in shown)


def matrices(rows: dict[str, dict], variant: str) -> list[str]:
    """A row per matrix; the fewest LUT cells and the fewest sites are bold."""
    lines = []
    for name in sorted({n.removesuffix("_staged_dense").removesuffix("_staged") for n in rows},
                       key=lambda n: (int(n.split("_")[1].split("x")[0]), n)):  # fmt: skip
        own, beside = rows.get(name + variant), rows.get(name + variant.removesuffix("_dense"), {})
        if not own or "xc7" not in own:
            continue
        found = [own, beside.get("da4ml"), beside.get("alkaid")]
        mapped = [row.get("xc7") if row and row.get("verified") else None for row in found]
        columns = [cell(m, variant).split(" / ") for m in mapped]
        beside_another = sum(m is not None for m in mapped) > 1
        for k, key in enumerate(("lut_cells", "lut")):
            least = min((m[key] for m in mapped if m), default=None)
            for m, column in zip(mapped, columns, strict=True):
                if beside_another and m and m[key] == least:
                    column[k] = f"**{column[k]}**"
        _, size, kind = name.split("_", 2)
        cells = [" / ".join(column) for column in columns]
        solved = [str(row["solve_s"]) if row and "solve_s" in row else "-" for row in found]
        lines.append(f"| {size} {KINDS[kind]} | {' | '.join(cells)} | {', '.join(solved)} |")
    keys = "cells / sites / levels" + (" / FF / latency" if variant else "")
    head = f"| matrix | hwgen: {keys} | da4ml | alkaid | solve s |"
    return [head, "|---|---|---|---|---|", *lines]


def networks(rows: list[dict]) -> list[str]:
    """A row per network and tool; the fewest of each column in a network are bold."""
    keys = ("lut_cells", "lut_sites", "ff", "latency", "levels")
    lines = [
        "| network | tool | LUT cells | sites | FF | latency | levels |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = {tool: row[tool] for tool in TOOLS if (row.get(tool) or {}).get("verified")}
        best = {key: min((f[key] for f in found.values()), default=0) for key in keys}
        for tool, figures in found.items():
            marked = (
                f"**{figures[k]}**" if figures[k] == best[k] else str(figures[k]) for k in keys
            )
            lines.append(f"| {row['name'].removeprefix('mlp_')} | {tool} | {' | '.join(marked)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    data = json.loads(RESULTS.read_text())
    rows = {row["name"]: row for row in data["constant"]}
    tables = {f"matrices{variant}": matrices(rows, variant) for variant in VARIANTS}
    tables["networks"] = networks(data["networks"])
    page = PAGE.read_text()
    for name, lines in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if options.write:
            before, rest = page.split(start)
            page = before + start + "\n" + "\n".join(lines) + "\n\n" + end + rest.split(end)[1]
        else:
            print("\n".join(lines), end="\n\n")
    if options.write:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
