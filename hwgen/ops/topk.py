"""Positions of the greatest channels: the tail of a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.top_k import TopK as TopKCircuit
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, Rigid, divisors


@dataclass(frozen=True, eq=False)
class TopK(Op):
    """Indices of the ``k`` greatest channels, greatest first; of equals the lower index first.

    ``k = 1`` is ArgMax.
    """

    k: int = 1

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if not 1 <= self.k <= x0.channels:
            raise ValueError(f"k must be in 1..{x0.channels}, not {self.k}")
        return TensorType((*x0.shape[:-1], self.k), IntRange(0, x0.channels - 1))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return np.argsort(-x[0], axis=-1, kind="stable")[..., : self.k].astype(np.int64)


class TopKStreaming(Lowering):
    """A vector's elements compared as they pass: SIMD at a time for k = 1, else one."""

    op, name = TopK, "streaming"

    def foldings(self, op: TopK, *x: TensorType) -> Iterator[Folding]:
        simds = divisors(x[0].channels) if op.k == 1 else [1]
        yield from (Folding(op.k, simd) for simd in simds)

    def lanes(self, op: TopK, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.simd,), op.k

    def cost(self, op: TopK, folding: Folding, *x: TensorType) -> Cost:
        width, index = x[0].range.width, op.infer(*x).range.width
        interval = x[0].size // folding.simd
        lut = (op.k + folding.simd - 1) * (1.5 * width + index) + 2 * index
        return Cost(round(lut), op.k * (width + 2 * index) + index, 0, 0, interval, interval)

    def actor(self, op: TopK, folding: Folding, *x: TensorType) -> Actor:
        beats = x[0].channels // folding.simd
        ends = np.arange(1, x[0].pixels + 1) * beats - 1
        return Rigid((np.arange(x[0].pixels * beats),), ends, x[0].pixels * beats)

    def build(self, op: TopK, folding: Folding, *x: TensorType) -> TopKCircuit:
        return TopKCircuit(x[0].range, channels=x[0].channels, lanes=folding.simd, k=op.k)
