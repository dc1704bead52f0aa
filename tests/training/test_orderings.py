"""Orderings that the papers claim and that hold for every seed tried: bench/research.py in small."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
pytest.importorskip("sklearn", reason="needs scikit-learn's digits")
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import research_common
import torch
from research_bits import guided
from research_sparse import BUDGET, Robust, binary, sparsity

from hwgen.training.data import load
from hwgen.training.fit import integer_accuracy
from hwgen.training.robust import attack


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = replace(research_common.DEEP, data="digits", epochs=6)
    monkeypatch.setattr(research_common, "WIDE", digits)
    monkeypatch.setattr(research_common, "DEEP", digits)


def test_guided_weights_survive_snapping() -> None:
    arms = guided(0)
    assert arms["guided, snapped"]["integers"] > arms["plain, snapped"]["integers"] + 5
    full, low = (arms[f"guided, {kind}"]["bytes"] for kind in ("float weights", "snapped"))
    assert full > 8 * low


def test_splitting_beats_cutting_once() -> None:
    arms = sparsity(0)
    cut, split = (arms[f"{kind}, half of the channels"] for kind in ("one shot", "RVSM splitting"))
    assert split["removed"] == cut["removed"] > 0
    assert split["integers"] > cut["integers"] + 2
    assert arms["RVSM splitting, 20 % of the weights"]["weights"] < 0.8 * arms["dense"]["weights"]


def test_sparse_weights_behind_binarized_activations() -> None:
    arms = binary(0)
    dense, cut, split = (arms[name]["integers"] for name in (
        "binarized, dense", "binarized, 20 % in one shot", "RVSCGD, 20 % of the weights"))  # fmt: skip
    assert split > cut and split > dense - 3 > 87
    fewer = arms["RVSCGD, 20 % of the weights"]["weights"]
    assert fewer < 0.45 * arms["binarized, dense"]["weights"]


def test_training_against_attacks_helps() -> None:
    data = load("digits")
    x, y = (torch.from_numpy(part) for part in data.test)
    scores = []
    for hostile in (False, True):
        net, _ = Robust(hostile=hostile).train(data)
        frames = attack(net, x, y, BUDGET, random=True)
        scores.append(integer_accuracy(net, frames.numpy(), y.numpy()))
    assert scores[1] > scores[0] + 10
