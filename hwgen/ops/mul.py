"""Product of two tensors, or of an image and a gate for each of its channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class Mul(Op):
    """``y = x0 * x1``: equal shapes, or ``x1`` one vector ``(C,)`` or ``(1, 1, C)`` for all pixels.

    The latter is the gate of a squeeze-and-excite block; it is always the second input.
    """

    def infer(self, *x: TensorType) -> TensorType:
        a, b = x
        if b.shape != a.shape and not (b.pixels == 1 and b.channels == a.channels):
            raise ValueError(f"shapes {a.shape} and {b.shape} do not go together")
        return TensorType(a.shape, a.range * b.range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        a, b = x
        if a.shape[1:] != b.shape[1:]:
            b = b.reshape(len(b), *[1] * (a.ndim - 2), a.shape[-1])
        return a * b
