"""Fully connected layer: a constant integer matrix applied to the channels of every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.exact import integer_matmul
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType


def accumulator_range(weight: np.ndarray, x: IntRange) -> IntRange:
    """The exact range of ``x @ weight``, ``(K, N)``, over all x in range and all N columns.

    Zero is included: an accumulator starts there, and every partial sum, in any order, lies
    between the sum of the negative and the sum of the positive terms.
    """
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    hi = (positive * x.hi + negative * x.lo).sum(axis=0)
    lo = (positive * x.lo + negative * x.hi).sum(axis=0)
    return IntRange(min(int(lo.min()), 0), max(int(hi.max()), 0))


@dataclass(frozen=True, eq=False)
class MatMul(Op):
    """``y[..., n] = sum_k x[..., k] * weight[k, n]`` with ``weight`` int64 ``(K, N)``."""

    weight: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight))
        if self.weight.ndim != 2:
            raise ValueError(f"weight must be (K, N), not {self.weight.shape}")

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if x0.channels != self.weight.shape[0]:
            raise ValueError(
                f"input has {x0.channels} channels, weight {self.weight.shape[0]} rows"
            )
        return TensorType(
            (*x0.shape[:-1], self.weight.shape[1]), accumulator_range(self.weight, x0.range)
        )

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return integer_matmul(x[0], self.weight)

    def macs(self, *x: TensorType) -> int:
        return x[0].pixels * self.weight.size
