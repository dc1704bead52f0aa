"""Depthwise convolution: every channel of an image has kernels of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.core.window import Window, windows
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.ops.matmul import accumulator_range


@dataclass(frozen=True, eq=False)
class DepthwiseConv(Op):
    """Cross-correlation of each channel of ``(H, W, C)`` with its M kernels.

    ``weight`` is int64 ``(KH, KW, C, M)``; kernel m of channel c makes output channel
    ``c * M + m``. Padding and dilation as for :class:`Conv`.
    """

    weight: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    pad_value: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight))
        if self.weight.ndim != 4:
            raise ValueError(f"weight must be (KH, KW, C, M), not {self.weight.shape}")

    @property
    def window(self) -> Window:
        return Window(self.weight.shape[:2], self.stride, self.padding, self.dilation)

    @property
    def matrix(self) -> np.ndarray:
        """The kernels as columns ``(KH*KW, C*M)``."""
        kh, kw, channels, multiplier = self.weight.shape
        return self.weight.reshape(kh * kw, channels * multiplier)

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3 or x0.channels != self.weight.shape[2]:
            raise ValueError(f"input must be (H, W, {self.weight.shape[2]}), not {x0.shape}")
        seen = x0.range
        if any(self.padding):
            seen |= IntRange(self.pad_value, self.pad_value)
        shape = (*self.window.output_shape(x0.shape), self.matrix.shape[1])
        return TensorType(shape, accumulator_range(self.matrix, seen))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        view = windows(x[0], self.window, self.pad_value)
        y = np.einsum("nyxijc,ijcm->nyxcm", view, self.weight)
        return y.reshape(*y.shape[:3], -1)

    def macs(self, *x: TensorType) -> int:
        height, width = self.window.output_shape(x[0].shape)
        return height * width * self.weight.size
