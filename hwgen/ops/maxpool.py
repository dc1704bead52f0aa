"""Sliding maximum over the pixels of each channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.ops.window import Window, windows


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """Maximum over windows of an ``(H, W, C)`` image; padding never wins."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3:
            raise ValueError(f"input must be (H, W, C), not {x0.shape}")
        for before, extent in zip(
            self.padding, (*self.window.extent, *self.window.extent), strict=True
        ):
            if before >= extent:
                raise ValueError(f"padding {self.padding} leaves a window without a pixel")
        return TensorType((*self.window.output_shape(x0.shape), x0.channels), x0.range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        lowest = np.iinfo(np.int64).min
        return windows(x[0], self.window, lowest).max(axis=(3, 4))
