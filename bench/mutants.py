"""How thousands of damaged models fare: exit codes, and the most that any of them took.

``python bench/mutants.py --count 10000`` inspects that many and builds every 20th of those that are
accepted; ``--corpus`` takes the files made to do harm instead, and builds all that are accepted.
With ``--counts FILE`` the pieces of a long run, told apart by ``--first``, add up. It prints a
table, and ends with 1 where a file is handled in any other way than by a refusal (exit 3, 4 or 6)
or a build.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hwgen.core.resources import resource
from tests.hostile.corpus import hazards
from tests.hostile.mutants import mutant
from tests.hostile.observer import Observer, Outcome

ALLOWED = (0, 3, 4, 6)
BUILD = 20  # one of so many accepted mutants is built


@dataclass
class Counts:
    """What was seen so far. ``exits`` counts by "kind exit"; the rest is for the line below."""

    exits: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    builds: int = 0
    wall: float = 0.0
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[int, str] = (0, "")

    def add(self, kind: str, found: Outcome, *, build: bool = False) -> None:
        self.builds += build
        self.exits[f"{kind.split()[0]} {found.exit}"] += not build or found.exit not in ALLOWED
        self.codes.update(() if build else found.codes)
        self.slowest = max(self.slowest, (round(found.seconds, 2), kind))
        self.largest = max(self.largest, (found.mebibytes, kind))

    def __str__(self) -> str:
        kinds = sorted({key.split()[0] for key in self.exits})
        exits = sorted({*ALLOWED, *(int(key.split()[1]) for key in self.exits)})
        rows = [[kind, *(self.exits[f"{kind} {code}"] for code in exits)] for kind in kinds]
        rows.append(["all", *(sum(row[1 + i] for row in rows) for i in range(len(exits)))])
        return "\n".join([
            f"| kind | files | {' | '.join(f'exit {code}' for code in exits)} |",
            f"|---|{'---:|' * (len(exits) + 1)}",
            *(f"| {kind} | {sum(row)} | {' | '.join(map(str, row))} |" for kind, *row in rows),
            "",
            f"{self.wall:.0f} s; the slowest took {self.slowest[0]:.1f} s ({self.slowest[1]}), the "
            f"largest process {self.largest[0]} MiB ({self.largest[1]}); {self.builds} were built",
            ", ".join(f"{code} {count}" for code, count in sorted(self.codes.items())),
        ])  # fmt: skip


def models(largest: int) -> list[Path]:
    """The shipped models, and those below HWGEN_DATA, of at most so many bytes."""
    found = sorted(resource("models").glob("*.onnx"))
    if data := os.environ.get("HWGEN_DATA"):
        for folder in ("models", "models_small_qdq"):
            found += sorted(Path(data, folder).glob("*.onnx"))
    return [path for path in found if path.stat().st_size <= largest]


def mutants(seeds: range, largest: int) -> Iterator[tuple[str, bytes]]:
    """What was done, and the bytes."""
    sources = models(largest)
    for seed in seeds:
        kind, data = mutant(sources, seed)
        yield f"{kind} #{seed}", data


def corpus(folder: Path) -> Iterator[tuple[str, bytes]]:
    for each in hazards():
        path = each.write(folder)
        yield f"{'harmless' if each.harmless else 'hazard'} {each.name}", path.read_bytes()


def examine(observe: Observer, folder: Path, kind: str, counts: Counts, every: int) -> None:
    """Inspect the file, and build one of ``every`` so many that are accepted."""
    path, accepted = folder / "net.onnx", f"{kind.split()[0]} 0"
    found = observe("inspect", path)
    counts.add(kind, found)
    report(kind, found)
    if found.exit == 0 and counts.exits[accepted] % every == 0:
        found = observe("build", path, out="out", frames=1, folding="serial")
        counts.add(kind, found, build=True)
        report(f"{kind}, built", found)
    left = set(os.listdir(folder)) - {"net.onnx", "out"}
    assert not left, f"{kind} left {left}"


def report(kind: str, found: Outcome) -> None:
    """What must not be, and what comes near it."""
    if found.exit not in ALLOWED:
        print(f"{kind}: exit {found.exit}: {found.fault}", flush=True)
    elif found.seconds > 5 or found.mebibytes > 700:
        print(f"{kind}: exit {found.exit}, {found.seconds:.1f} s, {found.mebibytes} MiB",
              file=sys.stderr, flush=True)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--largest", type=int, default=1 << 20, help="bytes of a model (1 MiB)")
    parser.add_argument("--corpus", action="store_true", help="the hostile corpus instead")
    parser.add_argument("--counts", type=Path, help=".json of counts to go on from and to write")
    options = parser.parse_args()
    counts = Counts()
    if options.counts and options.counts.exists():
        counts = Counts(**json.loads(options.counts.read_text("utf-8")))
        counts.exits, counts.codes = Counter(counts.exits), Counter(counts.codes)
        counts.slowest, counts.largest = tuple(counts.slowest), tuple(counts.largest)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as given, tempfile.TemporaryDirectory() as folder:
        subjects = mutants(range(options.first, options.first + options.count), options.largest)
        with Observer() as observe:
            for kind, data in corpus(Path(given)) if options.corpus else subjects:
                Path(folder, "net.onnx").write_bytes(data)
                examine(observe, Path(folder), kind, counts, 1 if options.corpus else BUILD)
    counts.wall += time.monotonic() - start
    if options.counts:
        options.counts.write_text(json.dumps(vars(counts)), "utf-8")
    print(counts)
    return any(int(key.split()[1]) not in ALLOWED for key in counts.exits)


if __name__ == "__main__":
    sys.exit(main())
