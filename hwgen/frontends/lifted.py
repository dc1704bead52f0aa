"""What an ONNX tensor is while a model is lifted: a constant, or integers and a pending function.

A real tensor of the model is never computed. It is an integer edge of the graph being built, an
elementwise function from the edge's integers to the tensor's real numbers (its chain), and an
index that says which element of the edge each element of the tensor is. Reshapes and transposes
then only move the index, scales and activations only extend the chain, and neither costs hardware.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.chain import Arg, Chain, Step

if TYPE_CHECKING:
    from hwgen.frontends.call import Call

Layout = Callable[[np.ndarray], np.ndarray]
LARGEST_WEIGHT = 1 << 15


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor known at import. Where it met a quantizer, ``array == codes * scale`` elementwise.

    ``codes`` int64 and ``scale`` float64 have the array's shape; zero points are in the codes.
    """

    array: np.ndarray
    codes: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def layout(self, move: Layout) -> Constant:
        """The constant with its elements moved."""
        parts = (self.array, self.codes, self.scale)
        return Constant(*(None if part is None else move(part) for part in parts))  # type: ignore[arg-type]

    def quantized(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Codes and scales, found where the values themselves are multiples of one number.

        That is 1, the smallest of them, or the greatest power of two that divides all.
        """
        if self.codes is not None and self.scale is not None:
            return self.codes, self.scale
        values = np.asarray(self.array, np.float64)
        magnitudes = np.abs(values[values != 0])
        for unit in (1.0, magnitudes.min(initial=np.inf), _power_of_two(magnitudes)):
            codes = np.rint(values / unit)
            if np.array_equal(codes * unit, values) and np.abs(codes).max(initial=0) < (
                LARGEST_WEIGHT
            ):
                return codes.astype(np.int64), np.full(values.shape, unit)
        return None


def _power_of_two(values: np.ndarray) -> float:
    """The greatest power of two of which all numbers are multiples, by their last bits."""
    mantissa, exponent = np.frexp(values)
    bits = np.ldexp(mantissa, 53).astype(np.int64)
    return float(np.ldexp((bits & -bits).astype(np.float64), exponent - 53).min(initial=1.0))


@dataclass(eq=False)
class Feed:
    """A model input whose edge is not laid out yet: ``chain`` runs on the host.

    Its elements count in the order of the model's own tensor, each a channel of its own. The first
    operator that reads it fixes the edge's layout: ``value`` and ``order`` say which.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    chain: Chain = field(default_factory=Chain)
    range: IntRange | None = None
    value: str | None = None
    order: np.ndarray | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Joint:
    """A sum of integer edges that waits for its quantizer: no edge of the graph yet.

    The value is ``sum of chain(edge)`` over ``terms``, in float32, from the first on; their edges
    have one shape. ``call`` is the node that adds.
    """

    terms: tuple[tuple[str, Chain], ...]
    call: Call


@dataclass(frozen=True, eq=False)
class Lifted:
    """Element ``p`` of the tensor is ``chain(edge).ravel()[index[p]]``.

    ``index`` has the tensor's whole shape, batch of one included. Constants of the chain are
    scalars or vectors over the last axis of the edge. ``origin`` names the nodes in the chain.
    """

    edge: str | Feed | Joint
    index: np.ndarray
    chain: Chain = field(default_factory=Chain)
    dtype: str = "float32"
    origin: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape

    def layout(self, move: Layout) -> Lifted:
        """The tensor with its elements moved; the edge stays."""
        return replace(self, index=move(self.index))

    def then(self, name: str, kind: str, **args: object) -> Lifted:
        """One more function of node ``name`` on every element."""
        return replace(self, chain=self.chain.then(kind, **args), origin=(*self.origin, name))


Tensor = Constant | Lifted


def shrink(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """``values`` ``(*shape, ...)`` as rows per channel, or one row; None if pixels differ."""
    rows = values.reshape(-1, shape[-1], *values.shape[len(shape) :])
    if not (rows == rows[:1]).all():
        return None
    per_channel = rows[0]
    if per_channel.ndim == 1:
        return per_channel[0] if (per_channel == per_channel[0]).all() else per_channel
    return per_channel[:1] if (per_channel == per_channel[:1]).all() else per_channel


def rechannel(chain: Chain, channel: np.ndarray) -> Chain:
    """The chain on a rearranged edge, where element ``i`` came from channel ``channel[i]``.

    A constant that then differs between pixels keeps the shape of the edge: only a host can use it.
    """

    def move(value: Arg) -> Arg:
        if isinstance(value, Chain):
            return rechannel(value, channel)
        if isinstance(value, str) or value.ndim == 0 or len(value) == 1:
            return value
        moved = value[channel] if value.ndim < 3 else value
        small = shrink(moved, channel.shape)
        return moved if small is None else small

    return Chain(
        tuple(Step(s.kind, {name: move(v) for name, v in s.args.items()}) for s in chain.steps)
    )


def is_uniform(chain: Chain) -> bool:
    """Whether the chain is one function for all channels."""
    return all(array.ndim == 0 or len(array) == 1 for array in chain.arrays())


def per_pixel(chain: Chain) -> bool:
    """Whether a constant differs between the pixels of a channel, which only a host can use."""
    return any(
        per_pixel(value) if isinstance(value, Chain)
        else not isinstance(value, str) and value.ndim > (2 if step.kind == "count" else 1)
        for step in chain.steps for value in step.args.values()
    )  # fmt: skip


def affine_of(chain: Chain) -> tuple[np.ndarray, np.ndarray] | None:
    """``(m, a)`` in float64 with ``chain(q) == m * q + a``; None where the chain is not affine."""
    m, a = np.float64(1), np.float64(0)
    for step in chain.steps:
        args = {
            k: np.asarray(v, np.float64)
            for k, v in step.args.items()
            if not isinstance(v, (str, Chain))
        }
        match step.kind:
            case "affine":
                m, a = m * args["mul"], a * args["mul"] + args["add"]
            case "mul":
                m, a = m * args["c"], a * args["c"]
            case "div":
                m, a = m / args["c"], a / args["c"]
            case "add":
                a = a + args["c"]
            case "sub":
                a = a - args["c"]
            case "rsub":
                m, a = -m, args["c"] - a
            case "neg":
                m, a = -m, -a
            case "batchnorm":
                factor = args["scale"] / np.sqrt(args["var"] + args["epsilon"])
                m, a = m * factor, (a - args["mean"]) * factor + args["bias"]
            case "join" if step.args["how"] == "add":
                first, second = (_affine_part(step, part) for part in ("first", "second"))
                if first is None or second is None:
                    return None
                (m1, a1), (m2, a2) = first, second
                m, a = (m1 + m2) * m, (m1 + m2) * a + a1 + a2
            case _:
                return None
    return np.asarray(m), np.asarray(a)


def _affine_part(step: Step, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    part = step.args[name]
    assert isinstance(part, Chain)
    return affine_of(part)
