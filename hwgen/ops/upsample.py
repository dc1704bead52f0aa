"""Nearest-neighbour upsampling by whole factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class Upsample(Op):
    """Every pixel of an ``(H, W, C)`` image as a block of ``factor`` equal ones."""

    factor: tuple[int, int]

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3 or min(self.factor) < 1:
            raise ValueError(f"input must be (H, W, C), factor positive, not {x0}, {self.factor}")
        (height, width, channels), (fh, fw) = x0.shape, self.factor
        return TensorType((height * fh, width * fw, channels), x0.range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        fh, fw = self.factor
        return x[0].repeat(fh, axis=1).repeat(fw, axis=2)
