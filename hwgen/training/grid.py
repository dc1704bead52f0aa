"""Straight-through rounding, and what a quantizer makes: integer codes on a scale.

Every quantizer computes in the order of the ONNX node that it is exported as (divide by the scale,
clamp, round half to even, multiply by the scale), so that both give the same float32 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hwgen.core.errors import fail

WIDEST = 16


def through(value: Tensor, target: Tensor) -> Tensor:
    """``target`` exactly, with the gradient of ``value`` (straight-through estimator).

    ``value`` must be finite: it is subtracted from itself.
    """
    return target.detach() + (value - value.detach())


def round_through(x: Tensor) -> Tensor:
    """Round half to even; derivative 1."""
    return through(x, x.round())


def clip(x: Tensor, lo: float, hi: float, *, closed: bool = False) -> Tensor:
    """``min(max(x, lo), hi)`` with derivative 1 strictly inside and 0 elsewhere.

    ``closed`` counts ``x == lo`` as inside, as PACT does.
    """
    inside = (x < hi) & ((x >= lo) if closed else (x > lo))
    return torch.where(inside, x, x.detach().clamp(lo, hi))


def damp(x: Tensor, factor: float) -> Tensor:
    """``x`` exactly, with its gradient times ``factor``."""
    return through(x * factor, x)


def positive(x: Tensor) -> Tensor:
    """``|x|``, at least the smallest normal float: fit to be a scale."""
    return x.abs().clamp_min(torch.finfo(x.dtype).tiny)


def or_one(x: Tensor) -> Tensor:
    """A magnitude to start a scale from: 1 where there is nothing but zeros to go by."""
    return torch.where(x > 0, x, torch.ones_like(x))


def per_row(values: Tensor, like: Tensor) -> Tensor:
    """One value per row, ``(R,)``, shaped to multiply ``like`` ``(R, ...)``."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


def rows(x: Tensor) -> Tensor:
    """``(R, ...)`` as ``(R, everything else)``."""
    return x.reshape(x.shape[0], -1)


def check_bits(bits: int, least: int, what: str) -> int:
    """``bits`` if ``least <= bits <= 16``, else HW110."""
    if not isinstance(bits, int) or not least <= bits <= WIDEST:
        fail("HW110", where=what, why=f"bits must be an integer in {least}..{WIDEST}, not {bits}",
             help="one-bit quantizers are Binary (weights) and Sign")  # fmt: skip
    return bits


def limits(bits: int, *, signed: bool, narrow: bool = False) -> tuple[int, int]:
    """Lowest and highest code; ``narrow`` takes the lowest signed code away."""
    if signed:
        return -(1 << (bits - 1)) + int(narrow), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


@dataclass(frozen=True)
class Uniform:
    """Real value ``(code - zero) * scale``: QONNX ``Quant``."""

    scale: Tensor
    bits: int
    signed: bool
    narrow: bool = False
    zero: Tensor | None = None


@dataclass(frozen=True)
class Bipolar:
    """``scale`` or ``-scale``, zero counting as positive: QONNX ``BipolarQuant``."""

    scale: Tensor


@dataclass(frozen=True)
class Table:
    """``scale`` times the number of rising ``thresholds`` ``(n,)`` that ``x`` reaches:
    QONNX ``MultiThreshold``."""

    thresholds: Tensor
    scale: Tensor


Form = Uniform | Bipolar | Table


@dataclass(frozen=True)
class Integers:
    """A weight as hardware holds it: ``codes`` int64 and the form that makes them real."""

    codes: Tensor
    form: Uniform | Bipolar

    @property
    def values(self) -> Tensor:
        return self.codes.to(self.form.scale.dtype) * self.form.scale


class Quantizer(Protocol):
    """An activation quantizer: a module whose ``form`` says how it is exported."""

    def form(self) -> Form: ...
