"""A constant border as an operator of its own, around pixels and channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.insert import Insert
from hwgen.hw.pad import Pad as PadPixels
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Folding, divisors
from hwgen.lowering.lanewise import Inserting


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """``value`` around an ``(H, W, C)`` image.

    ``padding``: (top, left, bottom, right) pixels.  ``channels``: (before, after) every pixel.
    """

    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    value: int = 0
    channels: tuple[int, int] = (0, 0)

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3 or min(*self.padding, *self.channels) < 0:
            raise ValueError(
                f"input must be (H, W, C), padding not negative, not {x0.shape}, {self}"
            )
        (height, width, channels), (top, left, bottom, right) = x0.shape, self.padding
        shape = (top + height + bottom, left + width + right, channels + sum(self.channels))
        filled = shape != x0.shape
        return TensorType(
            shape, x0.range | IntRange(self.value, self.value) if filled else x0.range
        )

    def reference(self, *x: np.ndarray) -> np.ndarray:
        top, left, bottom, right = self.padding
        border = ((0, 0), (top, bottom), (left, right), self.channels)
        return np.pad(x[0], border, constant_values=self.value)


class PadStreaming(Inserting):
    """The image's raster within that of the padded one."""

    op, name = Pad, "streaming"

    def foldings(self, op: Pad, *x: TensorType) -> Iterator[Folding]:
        yield from (Folding(pe) for pe in divisors(gcd(x[0].channels, *op.channels)))

    def build(self, op: Pad, folding: Folding, *x: TensorType) -> Insert:
        (height, width, channels), (top, left, _, _), y = x[0].shape, op.padding, op.infer(*x)
        if not any(op.channels):
            shape = height, width, channels
            return PadPixels(x[0].range, shape, folding.pe, op.padding, op.value)
        pixel = y.channels // folding.pe
        row = y.shape[1] * pixel
        loops = [(channels // folding.pe, 1), (width, pixel), (height, row)]
        first = top * row + left * pixel + op.channels[0] // folding.pe
        return Insert(x[0].range, folding.pe, y.size // folding.pe, loops, first, op.value)
