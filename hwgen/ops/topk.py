"""Positions of the greatest channels: the tail of a classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


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
