"""Damaged models: refused with a reason, or sound by chance and then built; never a traceback."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from hwgen.core.resources import resource
from tests.hostile.mutants import mutant
from tests.hostile.observer import Observer
from tests.hostile.test_corpus import outcome

MODELS = sorted(resource("models").glob("digits_*.onnx"))


def examine(observe: Observer, models: list[Path], seeds: range, folder: Path) -> Counter[str]:
    """What becomes of mutants of ``models``; the first code of each refused one is counted."""
    seen: Counter[str] = Counter()
    path = folder / "mutant.onnx"
    for seed in seeds:
        kind, data = mutant(models, seed)
        path.write_bytes(data)
        codes = outcome(observe, "inspect", path)
        seen[min(codes, default="accepted")] += 1
        if not codes and seen["accepted"] % 10 == 1:
            assert not outcome(observe, "build", path, out="out", frames=1, folding="serial"), kind
    return seen


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 6))]
)
def test_mutants_of_shipped_models(block: int, observe: Observer, tmp_path: Path) -> None:
    assert MODELS
    seen = examine(observe, MODELS, range(50 * block, 50 * block + 50), tmp_path)
    assert len(seen) >= 3, "damage of many kinds"
    assert set(os.listdir(tmp_path)) <= {"mutant.onnx", "out"}


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_mutants_of_real_models(block: int, observe: Observer, tmp_path: Path) -> None:
    """``bench/mutants.py`` takes many more."""
    if not os.environ.get("HWGEN_DATA"):
        pytest.skip("HWGEN_DATA names no folder of real models")
    data = Path(os.environ["HWGEN_DATA"])
    found = [*data.glob("models/*.onnx"), *data.glob("models_small_qdq/*.onnx")]
    models = [*MODELS, *(path for path in sorted(found) if path.stat().st_size <= 1 << 20)]
    first = 1_000_000 + 500 * block
    assert sum(examine(observe, models, range(first, first + 500), tmp_path).values()) == 500


def test_a_seed_gives_one_mutant() -> None:
    assert mutant(MODELS, 7) == mutant(MODELS, 7)
    assert len({mutant(MODELS, seed)[1] for seed in range(100)}) > 95
