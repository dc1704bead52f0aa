"""Small networks written by hand, compared with onnxruntime as soon as they are made."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwgen.core.errors import HwgenError, Problem
from hwgen.frontends import lift, run_source, source_of
from hwgen.ir.execute import run_frames
from hwgen.ir.graph import Graph
from tests.frontends.writer import KINDS, Writer

FRAMES = 24
Inputs = dict[str, tuple[str, tuple[int, ...]]]


class Fixed(Writer):
    """A writer that draws numbers, but never what it writes."""

    def __init__(self, opset: int = 21) -> None:
        super().__init__(np.random.default_rng(7), "qdq")
        self.opset = opset

    def pair(self, x: str, scale: Any, zero: Any = 0, kind: str = "int8", **attrs: Any) -> str:
        """A QuantizeLinear and its DequantizeLinear."""
        given = [self.const(scale), self.const(zero, kind)]
        codes = self.node("QuantizeLinear", x, *given, **attrs)
        return self.node("DequantizeLinear", codes, *given, **attrs)

    def stored(self, shape: tuple[int, ...], scale: Any, zero: Any = 0, kind: str = "int8",
               bound: int = 7, **attrs: Any) -> str:  # fmt: skip
        """A constant of random codes behind a DequantizeLinear."""
        low = 0 if kind.startswith("u") else -bound
        codes = self.const(self.rng.integers(low, bound + 1, shape), kind)
        return self.node(
            "DequantizeLinear", codes, self.const(scale), self.const(zero, kind), **attrs
        )

    def codes(self, x: str, scale: float, zero: int = 0, kind: str = "uint8") -> list[str]:
        """Codes of ``x`` with their scale and zero point, as operators on codes take them."""
        given = [self.const(scale), self.const(zero, kind)]
        return [self.node("QuantizeLinear", x, *given), *given]


def frames_of(inputs: Inputs, seed: int = 1) -> dict[str, np.ndarray]:
    """Integers over the whole range of a type, or real numbers on a fine grid."""
    rng, frames = np.random.default_rng(seed), {}
    for name, (kind, shape) in inputs.items():
        if kind == "float32":
            frames[name] = (rng.integers(-40, 41, (FRAMES, *shape[1:])) / 8).astype(np.float32)
        else:
            info = np.iinfo(kind)
            frames[name] = rng.integers(info.min, info.max + 1, (FRAMES, *shape[1:])).astype(kind)
    return frames


def equal(net: Writer, outputs: str | list[str], **inputs: Any) -> Graph:
    """The graph, once each output equals onnxruntime's in value, shape and type.

    ``inputs``: a shape, which is one of real numbers, or an element type and a shape.
    """
    given = {name: value if isinstance(value[0], str) else ("float32", value)
             for name, value in inputs.items()}  # fmt: skip
    assert all(kind in KINDS for kind, _ in given.values())
    names = [outputs] if isinstance(outputs, str) else outputs
    source = source_of(net.model(given, names))
    graph, frames = lift(source), frames_of(given)
    ours, theirs = run_frames(graph, frames), run_source(source, frames)
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype
    return graph


def refusal(net: Writer, outputs: str | list[str], **inputs: Any) -> list[Problem]:
    """The problems with which a network is refused."""
    given = {name: value if isinstance(value[0], str) else ("float32", value)
             for name, value in inputs.items()}  # fmt: skip
    names = [outputs] if isinstance(outputs, str) else outputs
    try:
        lift(source_of(net.model(given, names)))
    except HwgenError as error:
        return list(error.problems)
    raise AssertionError("it is lifted")
