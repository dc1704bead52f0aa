"""Images and windows for the tests of both window generators."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from hwgen.core.window import Window, windows
from hwgen.lowering.base import divisors

# (H, W, C), lanes, kernel, stride, dilation
CASES = {
    "one window of one pixel": ((1, 1, 1), 1, (1, 1), (1, 1), (1, 1)),
    "every pixel alone": ((3, 4, 2), 2, (1, 1), (1, 1), (1, 1)),
    "the image is the window": ((3, 3, 2), 1, (3, 3), (1, 1), (1, 1)),
    "reader is the slower": ((5, 5, 2), 2, (3, 3), (1, 1), (1, 1)),
    "writer is the slower": ((7, 7, 2), 1, (2, 2), (3, 3), (1, 1)),
    "windows side by side": ((4, 6, 1), 1, (2, 2), (2, 2), (1, 1)),
    "stride beyond the kernel": ((7, 8, 1), 1, (1, 2), (3, 4), (1, 1)),
    "dilation": ((7, 6, 2), 1, (3, 2), (1, 2), (2, 3)),
    "leftover rows and columns": ((6, 7, 1), 1, (2, 2), (3, 4), (1, 1)),
    "one dimension": ((1, 11, 2), 2, (1, 3), (1, 2), (1, 1)),
    "one column": ((8, 1, 1), 1, (3, 1), (1, 1), (2, 1)),
    "memory of no power of two": ((4, 13, 6), 1, (2, 3), (1, 1), (1, 1)),
}


@st.composite
def geometries(draw):
    """A tuple of arguments like those of ``CASES``."""
    channels = draw(st.sampled_from([1, 2, 3, 4]))
    lanes = draw(st.sampled_from(divisors(channels)))
    axes = []
    for _ in range(2):
        kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 4))
        dilation = draw(st.integers(1, 2))
        extent = (kernel - 1) * dilation + 1
        axes.append((extent + draw(st.integers(0, 4)), kernel, stride, dilation))
    (h, w), kernel, stride, dilation = zip(*axes, strict=True)
    return (h, w, channels), lanes, kernel, stride, dilation


def serial(x: np.ndarray, lanes: int, kernel, stride, dilation) -> np.ndarray:
    """Beats of all windows of a batch (N, H, W, C), a word after another."""
    view = windows(x, Window(kernel, stride, (0, 0, 0, 0), dilation), 0)
    return view.reshape(-1, lanes)


def parallel(x: np.ndarray, lanes: int, kernel, stride, dilation) -> np.ndarray:
    """Beats of all windows, for each pixel a beat (kh, kw, s) per channel group."""
    view = windows(x, Window(kernel, stride, (0, 0, 0, 0), dilation), 0)
    words = view.reshape(*view.shape[:-1], -1, lanes)
    return words.transpose(0, 1, 2, 5, 3, 4, 6).reshape(-1, kernel[0] * kernel[1] * lanes)
