"""Model files made to do harm: each with the codes that it must be refused with.

``python -m tests.hostile.corpus FOLDER`` writes all of them. A hazard without codes is harmless: it
must build, and nothing of its text may show in what is built.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from tests.frontends.networks import Net

Content = ModelProto | bytes


@dataclass(frozen=True)
class Hazard:
    """``make()`` gives the file. ``codes``: any of these must be the reason to refuse it."""

    name: str
    make: Callable[[], Content]
    codes: tuple[str, ...]

    @property
    def harmless(self) -> bool:
        return not self.codes

    def write(self, folder: Path) -> Path:
        """The file, in ``folder``."""
        path = folder / f"{self.name}.onnx"
        content = self.make()
        data = content if isinstance(content, bytes) else content.SerializeToString()
        path.write_bytes(data)
        return path


HAZARDS: dict[str, Hazard] = {}


def add(name: str, make: Callable[[], Content], *codes: str) -> None:
    assert name not in HAZARDS, name
    HAZARDS[name] = Hazard(name, make, codes)


def hazard(*codes: str) -> Callable[[Callable[[], Content]], Callable[[], Content]]:
    """The decorated function makes a file."""

    def register(make: Callable[[], Content]) -> Callable[[], Content]:
        add(make.__name__, make, *codes)
        return make

    return register


def change(*codes: str) -> Callable[[Callable[[ModelProto], Any]], Any]:
    """The decorated function does harm to :func:`mlp`."""

    def register(harm: Callable[[ModelProto], Any]) -> Callable[[ModelProto], Any]:
        add(harm.__name__, lambda: changed(mlp(), harm), *codes)
        return harm

    return register


def image(*codes: str) -> Callable[[Callable[[ModelProto], Any]], Any]:
    """The decorated function does harm to :func:`cnn`."""

    def register(harm: Callable[[ModelProto], Any]) -> Callable[[ModelProto], Any]:
        add(harm.__name__, lambda: changed(cnn(), harm), *codes)
        return harm

    return register


def changed(model: ModelProto, harm: Callable[[ModelProto], Any]) -> ModelProto:
    harm(model)
    return model


# Sound models to start from


def mlp() -> ModelProto:
    """x (1, 4) -> Quant -> MatMul (4, 3) -> Quant -> y."""
    net = Net(np.random.default_rng(0))
    x = net.quant("x", 0.25, 4)
    weight = net.quant(net.const(np.arange(12).reshape(4, 3) % 5 - 2), 1.0, 3)
    return net.model({"x": (1, 4)}, [net.quant(net.node("MatMul", x, weight), 0.5, 4)])


def cnn() -> ModelProto:
    """x (1, 2, 6, 6) -> Quant -> Conv 3x3 -> Quant -> MaxPool 2x2 -> y."""
    net = Net(np.random.default_rng(0))
    x = net.quant("x", 0.25, 4)
    weight = net.quant(net.const(np.arange(54).reshape(3, 2, 3, 3) % 5 - 2), 1.0, 3)
    y = net.node("Conv", x, weight, kernel_shape=[3, 3], strides=[1, 1], pads=[0, 0, 0, 0])
    pooled = net.node("MaxPool", net.quant(y, 0.5, 4), kernel_shape=[2, 2], strides=[2, 2])
    return net.model({"x": (1, 2, 6, 6)}, [pooled])


def around(build: Callable[[Net, str], str], shape: tuple[int, ...] = (1, 4)) -> ModelProto:
    """What ``build`` puts behind a quantized input."""
    net = Net(np.random.default_rng(0))
    return net.model({"x": shape}, [build(net, net.quant("x", 0.25, 4))])


def node(model: ModelProto, op: str) -> NodeProto:
    """The first node of an operator."""
    return next(n for n in model.graph.node if n.op_type == op)


def tensor(model: ModelProto, op: str, index: int) -> TensorProto:
    """The initializer that the first node of an operator reads as input ``index``."""
    name = node(model, op).input[index]
    return next(t for t in model.graph.initializer if t.name == name)


def put(target: TensorProto, array: Any) -> None:
    """Another array in place of a tensor, under its name."""
    target.CopyFrom(numpy_helper.from_array(np.asarray(array), target.name))


def attribute(model: ModelProto, op: str, name: str) -> Any:
    return next(a for a in node(model, op).attribute if a.name == name)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for each in hazards():
        each.write(folder)
    print(f"{len(HAZARDS)} files in {folder}")


def hazards() -> list[Hazard]:
    """All of them."""
    from tests.hostile import (  # noqa: F401
        bombs,
        containers,
        dialects,
        growth,
        names,
        numbers,
        operators,
        tensors,
    )  # fmt: skip

    return list(HAZARDS.values())


if __name__ == "__main__":
    from tests.hostile.corpus import main as _main  # the module that the hazards register in

    _main(Path(sys.argv[1]))
