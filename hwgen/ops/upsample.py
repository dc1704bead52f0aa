"""Nearest-neighbour upsampling by whole factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.hw.block_buffer import BlockBuffer
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Folding
from hwgen.lowering.lanewise import Buffered


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


class UpsampleBuffered(Buffered):
    """A row (a pixel, where rows are not repeated) is written while the one before is read."""

    op, name = Upsample, "buffered"

    def build(self, op: Upsample, folding: Folding, *x: TensorType) -> BlockBuffer:
        (_, width, channels), (fh, fw) = x[0].shape, op.factor
        pixel = channels // folding.pe
        loops = [(pixel, 1), (fw, 0)]
        if fh > 1:
            loops += [(width, pixel), (fh, 0)]
        return BlockBuffer(x[0].range, folding.pe, loops)
