"""The geometry that convolution and pooling share: which pixels each output sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window: (height, width) pairs; ``padding`` is (top, left, bottom, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns that one window spans."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    def padded_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        top, left, bottom, right = self.padding
        return shape[0] + top + bottom, shape[1] + left + right

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of the output. Raises ValueError where no window fits."""
        (h, w), (eh, ew) = self.padded_shape(shape), self.extent
        if h < eh or w < ew:
            raise ValueError(f"window {eh}x{ew} does not fit the image {h}x{w}")
        return (h - eh) // self.stride[0] + 1, (w - ew) // self.stride[1] + 1


def windows(x: np.ndarray, window: Window, pad_value: int) -> np.ndarray:
    """A view ``(N, OH, OW, KH, KW, C)`` of the windows of a batch ``(N, H, W, C)``."""
    top, left, bottom, right = window.padding
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad_value)
    every = np.lib.stride_tricks.sliding_window_view(x, window.extent, axis=(1, 2))
    (sh, sw), (dh, dw) = window.stride, window.dilation
    return every[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)
