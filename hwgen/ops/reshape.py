"""Another view of the same elements in the same order: no logic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """The frame's elements, in order, as ``shape``."""

    shape: tuple[int, ...]

    def infer(self, *x: TensorType) -> TensorType:
        y = TensorType(self.shape, x[0].range)
        if y.size != x[0].size:
            raise ValueError(f"{x[0].shape} cannot become {self.shape}")
        return y

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return x[0].reshape(len(x[0]), *self.shape)
