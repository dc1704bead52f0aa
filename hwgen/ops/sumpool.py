"""Sums over windows of each channel: the exact half of average pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.core.window import Window, windows
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class SumPool(Op):
    """The sum of the pixels in each window of an ``(H, W, C)`` image; padding counts as 0."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    def covers(self, x: TensorType) -> bool:
        """Whether the one window is the whole image."""
        plain = not any(self.padding) and self.dilation == (1, 1)
        return plain and self.kernel == x.shape[:2]

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3:
            raise ValueError(f"input must be (H, W, C), not {x0.shape}")
        shape = (*self.window.output_shape(x0.shape), x0.channels)
        # At the border a window sums fewer pixels.
        ones = np.ones((1, *x0.shape[:2], 1), np.int64)
        pixels = IntRange.of_array(windows(ones, self.window, 0).sum(axis=(3, 4)))
        return TensorType(shape, x0.range * pixels)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return windows(x[0], self.window, 0).sum(axis=(3, 4))
