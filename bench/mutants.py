"""How thousands of damaged models fare: exit codes, and the most that any of them took.

``python bench/mutants.py --count 10000`` inspects that many and builds every 50th of those that are
accepted; ``--corpus`` takes the files made to do harm instead, and builds all that are accepted. It
prints a table, and ends with 1 where a file is handled in any other way than by a refusal (exit 3,
4 or 6) or a build.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hwgen import api
from hwgen.core.errors import HwgenError
from hwgen.core.resources import resource as shipped
from tests.hostile.corpus import hazards
from tests.hostile.mutants import mutant

ALLOWED = (0, 3, 4, 6)


def models() -> list[Path]:
    """The shipped models, and those below HWGEN_DATA that are at most 1 MB."""
    found = sorted(shipped("models").glob("*.onnx"))
    if data := os.environ.get("HWGEN_DATA"):
        for folder in ("models", "models_small_qdq"):
            found += sorted(Path(data, folder).glob("*.onnx"))
    return [path for path in found if path.stat().st_size <= 1 << 20]


def mutants(seeds: range) -> Iterator[tuple[str, bytes]]:
    """What was done, and the bytes."""
    sources = models()
    yield from (mutant(sources, seed) for seed in seeds)


def corpus(folder: Path) -> Iterator[tuple[str, bytes]]:
    for each in hazards():
        path = each.write(folder)
        yield f"{'harmless' if each.harmless else 'hazard'} {each.name}", path.read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--corpus", action="store_true", help="the hostile corpus instead")
    options = parser.parse_args()
    exits: dict[str, Counter[int]] = defaultdict(Counter)
    codes: Counter[str] = Counter()
    slowest, accepted, builds, start = 0.0, 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as given, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mutant.onnx")
        subjects = mutants(range(options.first, options.first + options.count))
        for kind, data in corpus(Path(given)) if options.corpus else subjects:
            path.write_bytes(data)
            begin = time.monotonic()
            try:
                api.inspect(path)
                exit_code, accepted = 0, accepted + 1
            except HwgenError as error:
                exit_code = error.exit_code
                codes.update({problem.code for problem in error.problems})
            except Exception as error:
                last = str(error).rstrip().splitlines()[-1]
                print(f"{sum(map(Counter.total, exits.values()))}: {kind}: {last}", flush=True)
                exit_code = 70
            took = time.monotonic() - begin
            if took > slowest:
                slowest = took
                print(f"{kind}: {took:.2f} s", file=sys.stderr, flush=True)
            exits[kind.split()[0]][exit_code] += 1
            if exit_code == 0 and accepted % (1 if options.corpus else 50) == 0:
                builds += 1
                api.build(path, Path(folder, "out"), frames=1, folding="serial")
            assert set(os.listdir(folder)) <= {"mutant.onnx", "out"}
    table(exits)
    peak = max(resource.getrusage(who).ru_maxrss for who in
               (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    print(f"\n{time.monotonic() - start:.0f} s; the slowest took {slowest:.1f} s, "
          f"the largest process {peak >> 10} MiB; {builds} were built")  # fmt: skip
    print(", ".join(f"{code} {count}" for code, count in sorted(codes.items())))
    return any(set(counter) - set(ALLOWED) for counter in exits.values())


def table(exits: dict[str, Counter[int]]) -> None:
    columns = sorted(set(ALLOWED).union(*exits.values()))
    print("| kind | files |", " | ".join(f"exit {code}" for code in columns), "|")
    print("|---|" + "---:|" * (len(columns) + 1))
    for kind, counter in sorted(exits.items()):
        cells = [counter.total(), *(counter[code] for code in columns)]
        print(f"| {kind} |", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    sys.exit(main())
