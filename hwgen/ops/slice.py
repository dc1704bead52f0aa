"""A part of a frame: cropping, strided slicing, and each branch of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np

from hwgen.hw.select import Select
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, Rigid, divisors


@dataclass(frozen=True, eq=False)
class Slice(Op):
    """``x[start:stop:step]`` along every axis of the frame, ``(H, W, C)`` or ``(C,)``.

    Starts and stops are those of a Python slice once normalised: ``0 <= start < stop <= size``;
    steps are positive.
    """

    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if not len(self.starts) == len(self.stops) == len(self.steps) == len(x0.shape):
            raise ValueError(f"wants a start, stop and step for each axis of {x0.shape}")
        for size, start, stop, step in zip(
            x0.shape, self.starts, self.stops, self.steps, strict=True
        ):
            if not (0 <= start < stop <= size and step > 0):
                raise ValueError(f"{start}:{stop}:{step} is no part of an axis of {size}")
        return TensorType(self.shape, x0.range)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output."""
        ends = zip(self.starts, self.stops, self.steps, strict=True)
        return tuple(len(range(*end)) for end in ends)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        ends = zip(self.starts, self.stops, self.steps, strict=True)
        return x[0][(slice(None), *(slice(*end) for end in ends))]


class SliceStreaming(Lowering):
    """Drops beats as they pass, or lanes of whole pixels."""

    op, name = Slice, "streaming"

    def foldings(self, op: Slice, *x: TensorType) -> Iterator[Folding]:
        channels, kept = x[0].channels, op.shape[-1]
        if op.steps[-1] == 1:
            yield from (Folding(n, n) for n in divisors(gcd(channels, kept, op.starts[-1])))
        else:
            yield Folding()
        if kept < channels > 1:
            yield Folding(kept, channels)

    def lanes(self, op: Slice, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.simd,), folding.pe

    def cost(self, op: Slice, folding: Folding, *x: TensorType) -> Cost:
        circuit = self.build(op, folding, *x)
        return Cost(40, 30, 0, 0, circuit.interval, circuit.latency)

    def actor(self, op: Slice, folding: Folding, *x: TensorType) -> Actor:
        circuit = self.build(op, folding, *x)
        return Rigid((np.arange(circuit.frame),), circuit.places(), circuit.frame, 0)

    def build(self, op: Slice, folding: Folding, *x: TensorType) -> Select:
        lanes, picks = folding.simd, None
        loops, first, stride = [], 0, 1
        for size, start, count, step in reversed(
            [*zip(x[0].shape, op.starts, op.shape, op.steps, strict=True)]
        ):
            if not loops and lanes > 1:  # channels, several to a word
                if folding.pe < lanes:
                    picks, start, count = range(start, start + count * step, step), 0, lanes
                size, start, count, step = size // lanes, start // lanes, count // lanes, 1
            loops.append((count, step * stride))
            first += start * stride
            stride *= size
        return Select(x[0].range, lanes, x[0].size // lanes, loops, first, picks)
