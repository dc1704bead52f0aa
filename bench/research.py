"""Small reproductions of the training methods; regenerates the tables of docs/research.md.

python bench/research.py [--seeds 5] [--only sat qgt ...] [--write]

Every arm of a seed sees the same batches, so that arms are compared in pairs. "integers" is the
accuracy of hwgen's NumPy integer reference on the exported network. Without ``--write`` the tables
are printed only. Needs torch, and HWGEN_DATA for Fashion-MNIST: `make bench-research`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from research_bits import PRECISIONS, faces, guided, sat, switch
from research_common import PAGE, ROOT, Arm, settle_torch
from research_sparse import binary, robust, sparsity

RESULTS = ROOT / "bench/results/research.json"

# name: what runs, which pairs (better, worse, margin in points) the papers lead one to expect
Pair = tuple[str, str, float]
EXPERIMENTS: dict[str, tuple[Callable[[int], dict[str, Arm]], list[Pair]]] = {
    "sat": (sat, [("DoReFa + CG-PACT", "DoReFa + PACT", 0), ("SAT", "DoReFa + CG-PACT", 0),
                  ("SAT", "DoReFa + PACT", 0), ("LSQ", "DoReFa + PACT", 0)]),
    "qgt": (guided, [("guided, snapped", "plain, snapped", 0),
                     ("guided, snapped + BN", "plain, snapped + BN", 0),
                     ("guided, snapped + BN", "plain, float weights", -3)]),
    "faces": (faces, [("QGT", "float", -3), ("QGT", "snapped after training", 0)]),
    "sparsity": (sparsity, [
        ("RVSM splitting, half of the channels", "dense", -1.5),
        ("RVSM splitting, removed, trained on", "dense", -1.5),
        ("RVSM splitting, half of the channels", "one shot, half of the channels", 0),
        ("ADMM, half of the channels", "one shot, half of the channels", 0),
        ("RVSM splitting, 20 % of the weights", "one shot, 20 % of the weights", 0),
        ("ADMM, 20 % of the weights", "one shot, 20 % of the weights", 0),
    ]),
    "binary": (binary, [
        ("RVSCGD, 20 % of the weights", "binarized, dense", -1.5),
        ("RVSCGD, 20 % of the weights", "binarized, 20 % in one shot", 0),
        ("binarized, dense", "float", -3),
    ]),
    "robust": (robust, [
        (f"{better} @ IFGSM-20", f"{worse} @ IFGSM-20", 0) for better, worse in (
            ("PGD training", "natural training"),
            ("PGD, ensemble of two", "PGD training"),
            ("PGD, noisy ensemble of two", "PGD, ensemble of two"),
            ("PGD, noisy ensemble of two, half of the channels", "PGD, half of the channels"),
        )
    ] + [("PGD, noisy ensemble of two, half of the channels", "PGD, half of the channels", 0)]),
    "switch": (switch, [(f"private BN, {k} bit", f"independent, {k} bit", -3) for k in PRECISIONS]
               + [(f"private BN, {k} bit", f"shared BN, {k} bit", 0) for k in PRECISIONS]
               + [(f"private BN, distilled, {k} bit", f"private BN, {k} bit", 0) for k in (4, 2)]),
}  # fmt: skip


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"


def table(runs: list[dict[str, Arm]]) -> str:
    """One row per arm: mean and standard deviation over the runs."""
    columns = [key for key in ("fake-quantized", "integers", "IFGSM-20", "PGD-20", "bytes",
                               "weights", "removed")
               if any(key in arm for arm in runs[0].values())]  # fmt: skip
    lines = ["| arm | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for arm in runs[0]:
        cells = []
        for column in columns:
            values = [run[arm][column] for run in runs if column in run[arm]]
            whole = column in ("bytes", "weights", "removed")
            cells.append("" if not values else f"{statistics.mean(values):.0f}" if whole
                         else spread(values))  # fmt: skip
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def score(run: dict[str, Arm], name: str) -> float:
    """Of ``arm``: its integers' accuracy, where it has any; or of ``arm @ column``."""
    name, _, column = name.partition(" @ ")
    arm = run[name]
    return arm[column] if column else arm.get("integers", arm["fake-quantized"])


def verdicts(runs: list[dict[str, Arm]], pairs: list[Pair]) -> str:
    """The mean difference of each pair and whether it is beyond two standard errors."""
    lines = ["| expected | difference in points | |", "|---|---|---|"]
    for better, worse, margin in pairs:
        gaps = [score(run, better) - score(run, worse) for run in runs]
        mean, error = statistics.mean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5
        if margin:
            expected = f"{better}: at most {-margin:g} below {worse}"
            verdict = "as expected" if mean >= margin else "**not reproduced**"
        else:
            expected = f"{better} above {worse}"
            clear = abs(mean) > 2 * error
            verdict = "within noise" if not clear else "as expected" if mean > 0 else "**reversed**"
        lines.append(f"| {expected} | {mean:+.1f} ± {error:.1f} | {verdict} |")
    return "\n".join(lines)


def write(results: dict[str, dict]) -> None:
    """Replace what stands between the markers of docs/research.md."""
    page = PAGE.read_text()
    for name, result in results.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        head, rest = page.split(begin, 1)
        page = head + begin + "\n" + text(name, result) + "\n" + end + rest.split(end, 1)[1]
    PAGE.write_text(page)
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(stored | results, indent=1) + "\n")


def text(name: str, result: dict) -> str:
    runs = result["runs"]
    seconds = f"{len(runs)} seeds, {result['seconds']:.0f} s of one core."
    return f"{table(runs)}\n\n{verdicts(runs, EXPERIMENTS[name][1])}\n\n{seconds}"


def one_seed(name: str, seed: int) -> tuple[dict[str, Arm], float]:
    """Its arms, and seconds of a core."""
    settle_torch()
    print(f"{name}: seed {seed}", file=sys.stderr, flush=True)
    start = time.process_time()
    return EXPERIMENTS[name][0](seed), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(EXPERIMENTS), choices=EXPERIMENTS)
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time")
    parser.add_argument("--write", action="store_true", help="into docs/research.md")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for name in options.only:
            made = list(pool.map(one_seed, [name] * options.seeds, range(options.seeds)))
            runs, seconds = [arms for arms, _ in made], round(sum(spent for _, spent in made))
            result = {"runs": runs, "seconds": seconds}
            print(f"## {name}\n\n{text(name, result)}\n", flush=True)
            if options.write:
                write({name: result})


if __name__ == "__main__":
    main()
