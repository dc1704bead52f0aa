"""Elementwise float functions: what a model does between two integer tensors.

A chain is data, not code: it can be printed, saved and evaluated. Three places use it: lifting
turns ``quantizer(chain(integer))`` into exact thresholds; the host quantizes the model's input with
one; the host dequantizes the model's output with another. Arithmetic is float32 in the order in
which onnxruntime computes, since the thresholds must fall where the source model rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Union

import numpy as np

from hwgen.ir.functions import F32, FUNCTIONS
from hwgen.ir.functions import f32 as _f32

Arg = Union[np.ndarray, str, "Chain"]


def _affine(x: np.ndarray, mul: np.ndarray, add: np.ndarray) -> np.ndarray:
    """Integers to the real numbers they stand for: exact product, one rounding to float32."""
    return _f32(np.asarray(x, np.float64) * mul + add)


def _batchnorm(x: np.ndarray, scale: np.ndarray, bias: np.ndarray, mean: np.ndarray,
               var: np.ndarray, epsilon: np.ndarray) -> np.ndarray:  # fmt: skip
    factor = _f32(F32(1) / np.sqrt(_f32(var + epsilon)) * scale)
    return _f32(_f32(x) * factor + _f32(bias - mean * factor))


def _round(x: np.ndarray, rounding: str) -> np.ndarray:
    """The rounding modes of QONNX; UP and DOWN are away from and toward zero."""
    magnitude, sign = np.abs(x), np.sign(x)
    match rounding:
        case "ROUND" | "HALF_EVEN":
            return np.rint(x)
        case "FLOOR":
            return np.floor(x)
        case "CEIL":
            return np.ceil(x)
        case "UP":
            return sign * np.ceil(magnitude)
        case "DOWN":
            return sign * np.floor(magnitude)
        case "HALF_UP":
            return sign * np.floor(magnitude + F32(0.5))
        case "HALF_DOWN":
            return sign * np.ceil(magnitude - F32(0.5))
        case _:
            raise ValueError(f"unknown rounding mode {rounding!r}")


def _quantize(x: np.ndarray, scale: np.ndarray, zero: np.ndarray, lo: np.ndarray, hi: np.ndarray,
              rounding: str) -> np.ndarray:  # fmt: skip
    """QONNX Quant, to integer codes: divide, add the zero point, clamp, round."""
    return _round(np.clip(_f32(_f32(_f32(x) / _f32(scale)) + _f32(zero)), lo, hi), rounding)


def _onnx_quantize(x: np.ndarray, scale: np.ndarray, zero: np.ndarray, lo: np.ndarray,
                   hi: np.ndarray) -> np.ndarray:  # fmt: skip
    """QuantizeLinear: divide, round half to even, and only then add the zero point and saturate."""
    return np.clip(np.rint(_f32(_f32(x) / _f32(scale))).astype(np.float64) + zero, lo, hi)


def _join(x: np.ndarray, how: str, first: Chain, second: Chain) -> np.ndarray:
    """Two functions of the same integer, added or multiplied: ``x * sigmoid(x)``, say."""
    a, b = _f32(first(x)), _f32(second(x))
    return _f32(a + b if how == "add" else a * b)


def _count(x: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many of a channel's thresholds ``(C or 1, N)`` each element reaches."""
    return (x[..., None] >= thresholds).sum(axis=-1)


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(_f32(x) - _f32(x).max(axis=-1, keepdims=True))
    return _f32(e / e.sum(axis=-1, keepdims=True))


# Every constant is a scalar or one value per channel of the last axis (rows, for thresholds).
STEPS: Mapping[str, Callable[..., np.ndarray]] = {
    "affine": _affine,
    **FUNCTIONS,
    "add": lambda x, c: _f32(_f32(x) + _f32(c)),
    "sub": lambda x, c: _f32(_f32(x) - _f32(c)),
    "rsub": lambda x, c: _f32(_f32(c) - _f32(x)),
    "mul": lambda x, c: _f32(_f32(x) * _f32(c)),
    "div": lambda x, c: _f32(_f32(x) / _f32(c)),
    "clip": lambda x, lo, hi: np.clip(x, lo, hi),
    "batchnorm": _batchnorm,
    "quantize": _quantize,
    "onnx_quantize": _onnx_quantize,
    "join": _join,
    "bipolar": lambda x: (x >= 0).astype(F32),
    "count": _count,
    "softmax": _softmax,
}


@dataclass(frozen=True, eq=False)
class Step:
    """One function of the table above with its constants."""

    kind: str
    args: Mapping[str, Arg] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in STEPS:
            raise ValueError(f"unknown step {self.kind!r}")

    @property
    def inner(self) -> list[Chain]:
        """Chains among its constants."""
        return [value for value in self.args.values() if isinstance(value, Chain)]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return STEPS[self.kind](x, **self.args)

    def __str__(self) -> str:
        def show(value: Any) -> str:
            if isinstance(value, (str, Chain)):
                return str(value)
            array = np.asarray(value)
            return f"{array.item():.9g}" if array.size == 1 else f"{array.shape}"

        return f"{self.kind}({', '.join(f'{k}={show(v)}' for k, v in self.args.items())})"


@dataclass(frozen=True, eq=False)
class Chain:
    """Steps applied in order to an array whose last axis is the channel."""

    steps: tuple[Step, ...] = ()

    def then(self, kind: str, **args: Any) -> Chain:
        """This chain with one more step. Constants become read-only arrays."""
        frozen: dict[str, Arg] = {}
        for name, value in args.items():
            if isinstance(value, (str, Chain)):
                frozen[name] = value
            else:
                frozen[name] = np.array(value)
                frozen[name].flags.writeable = False  # type: ignore[union-attr]
        return Chain((*self.steps, Step(kind, frozen)))

    def arrays(self) -> Iterator[np.ndarray]:
        """Every constant, those of chains within included, in order."""
        for step in self.steps:
            for value in step.args.values():
                if isinstance(value, Chain):
                    yield from value.arrays()
                elif not isinstance(value, str):
                    yield value

    @cached_property
    def size(self) -> int:
        """Steps, those of chains within included."""
        return sum(1 + sum(inner.size for inner in step.inner) for step in self.steps)

    @cached_property
    def depth(self) -> int:
        """How many chains stand within one another; 1 for one without any."""
        return 1 + max((inner.depth for step in self.steps for inner in step.inner), default=0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for step in self.steps:
                x = step(x)
        return x

    def __str__(self) -> str:
        return " . ".join(map(str, self.steps)) or "identity"
