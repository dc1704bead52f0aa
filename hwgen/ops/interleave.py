"""Constant rows and columns between those of an image: what makes a convolution transposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.insert import Insert
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Folding
from hwgen.lowering.lanewise import Inserting


@dataclass(frozen=True, eq=False)
class Interleave(Op):
    """``factor - 1`` rows and columns of ``value`` between every two of an ``(H, W, C)`` image.

    Output ``((H - 1) * fh + 1, (W - 1) * fw + 1, C)``. A transposed convolution of stride s is
    ``Interleave((s, s))`` and a convolution with the kernel turned by 180 degrees.
    """

    factor: tuple[int, int]
    value: int = 0

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3 or min(self.factor) < 1:
            raise ValueError(f"input must be (H, W, C), factor positive, not {x0}, {self.factor}")
        (height, width, channels), (fh, fw) = x0.shape, self.factor
        shape = ((height - 1) * fh + 1, (width - 1) * fw + 1, channels)
        filled = shape != x0.shape
        return TensorType(
            shape, x0.range | IntRange(self.value, self.value) if filled else x0.range
        )

    def reference(self, *x: np.ndarray) -> np.ndarray:
        (count, height, width, channels), (fh, fw) = x[0].shape, self.factor
        shape = (count, (height - 1) * fh + 1, (width - 1) * fw + 1, channels)
        y = np.full(shape, self.value, np.int64)
        y[:, ::fh, ::fw] = x[0]
        return y


class InterleaveStreaming(Inserting):
    """The image's raster with constants put in between."""

    op, name = Interleave, "streaming"

    def build(self, op: Interleave, folding: Folding, *x: TensorType) -> Insert:
        (height, width, channels), (fh, fw), y = x[0].shape, op.factor, op.infer(*x)
        beats = channels // folding.pe
        row = y.shape[1] * beats
        loops = [(beats, 1), (width, fw * beats), (height, fh * row)]
        return Insert(x[0].range, folding.pe, y.size // folding.pe, loops, value=op.value)
