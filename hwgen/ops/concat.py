"""Channels of several tensors side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from math import gcd
from operator import or_

import numpy as np

from hwgen.hw.join import Join
from hwgen.hw.turns import Turns
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, Rigid, divisors
from hwgen.lowering.lanewise import Lanewise


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """The channels of two or more inputs with equal pixels, one input's after another's."""

    def infer(self, *x: TensorType) -> TensorType:
        if len(x) < 2 or len({x0.shape[:-1] for x0 in x}) != 1:
            raise ValueError(f"wants inputs with equal pixels, not {[x0.shape for x0 in x]}")
        shape = (*x[0].shape[:-1], sum(x0.channels for x0 in x))
        return TensorType(shape, reduce(or_, [x0.range for x0 in x]))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return np.concatenate(x, axis=-1)


class ConcatByTurns(Lanewise):
    """The beats of each pixel from one input after the other."""

    op, name = Concat, "turns"

    def foldings(self, op: Concat, *x: TensorType) -> Iterator[Folding]:
        yield from (Folding(pe) for pe in divisors(gcd(*(x0.channels for x0 in x))))

    def cost(self, op: Concat, folding: Folding, *x: TensorType) -> Cost:
        y = op.infer(*x)
        beats = y.size // folding.pe
        lut = folding.pe * y.range.width * (len(x) - 1) / 2
        return Cost(round(lut) + 10, 10, 0, 0, beats, beats - 1)

    def actor(self, op: Concat, folding: Folding, *x: TensorType) -> Actor:
        runs = [x0.channels // folding.pe for x0 in x]
        starts = np.arange(x[0].pixels)[:, None] * sum(runs)
        takes = tuple(
            (starts + np.arange(end - run, end)).ravel()
            for run, end in zip(runs, accumulate(runs), strict=True)
        )
        beats = x[0].pixels * sum(runs)
        return Rigid(takes, np.arange(beats), beats, 0)

    def build(self, op: Concat, folding: Folding, *x: TensorType) -> Turns:
        runs = [x0.channels // folding.pe for x0 in x]
        return Turns([x0.range for x0 in x], folding.pe, runs)


class ConcatJoined(Lowering):
    """Whole pixels of all inputs side by side: wires."""

    op, name = Concat, "joined"

    def foldings(self, op: Concat, *x: TensorType) -> Iterator[Folding]:
        channels = sum(x0.channels for x0 in x)
        yield Folding(channels, channels)

    def lanes(self, op: Concat, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return tuple(x0.channels for x0 in x), folding.pe

    def cost(self, op: Concat, folding: Folding, *x: TensorType) -> Cost:
        return Cost(len(x), 0, 0, 0, x[0].pixels, x[0].pixels - 1)

    def actor(self, op: Concat, folding: Folding, *x: TensorType) -> Actor:
        beats = np.arange(x[0].pixels)
        return Rigid((beats,) * len(x), beats, len(beats), 0)

    def build(self, op: Concat, folding: Folding, *x: TensorType) -> Join:
        return Join([x0.channels for x0 in x], [x0.range for x0 in x])
