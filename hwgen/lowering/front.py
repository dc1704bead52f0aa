"""What stands before a MAC array that convolves: padding, windows, and lanes to suit it."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

import numpy as np
from amaranth.lib.wiring import Component

from hwgen.core.window import Window
from hwgen.hw.pad import Pad
from hwgen.hw.parallel_window import ParallelWindow
from hwgen.hw.sliding_window import SlidingWindow
from hwgen.hw.width_converter import WidthConverter
from hwgen.ir.types import TensorType
from hwgen.lowering.cost import ram_cost


@dataclass(frozen=True)
class Front:
    """The way of an image ``x`` into windows of SIMD lanes.

    Three kinds. ``direct``: the stream's own order is that of the windows (a 1x1 kernel, or one
    as large as the image). ``serial``: words of ``lanes`` channels read one per cycle from a line
    buffer, ``gather`` of them to a beat. ``parallel``: all pixels of a window at once, ``lanes``
    channels at a time.
    """

    x: TensorType
    window: Window
    pad_value: int
    simd: int

    @property
    def kind(self) -> str:
        channels, taps = self.x.channels, prod(self.window.kernel)
        plain = not any(self.window.padding)
        if plain and self.window.kernel == (1, 1) == self.window.stride:
            return "direct"
        if plain and self.window.dilation == (1, 1) and self.window.kernel == self.x.shape[:2]:
            return "direct"
        whole = self.simd % taps == 0 and channels % (self.simd // taps) == 0
        return "parallel" if whole and channels % self.simd else "serial"

    @property
    def lanes(self) -> int:
        """Lanes of the input stream."""
        return {
            "direct": self.simd,
            "serial": gcd(self.simd, self.x.channels),
            "parallel": self.simd // prod(self.window.kernel),
        }[self.kind]

    @property
    def gather(self) -> int:
        """Words that make a beat for the MAC array."""
        return self.simd // self.lanes if self.kind == "serial" else 1

    @property
    def padded(self) -> TensorType:
        """The image with its border."""
        if not any(self.window.padding):
            return self.x
        shape = (*self.window.padded_shape(self.x.shape), self.x.channels)
        return TensorType(shape, self.pad.output_range)

    @property
    def pad(self) -> Pad:
        shape = self.x.shape
        assert len(shape) == 3
        return Pad(self.x.range, shape, self.lanes, self.window.padding, self.pad_value)

    def windows(self) -> SlidingWindow | ParallelWindow:
        """The window generator of the serial and the parallel kind."""
        kind = SlidingWindow if self.kind == "serial" else ParallelWindow
        shape = self.padded.shape
        assert len(shape) == 3
        return kind(
            self.padded.range, shape, self.lanes,
            self.window.kernel, self.window.stride, self.window.dilation,
        )  # fmt: skip

    def parts(self) -> dict[str, Component]:
        """The components, by name, in the order in which data passes them."""
        parts: dict[str, Component] = {}
        if any(self.window.padding):
            parts["pad"] = self.pad
        if self.kind != "direct":
            parts["window"] = self.windows()
        if self.gather > 1:
            parts["gather"] = WidthConverter(self.padded.range, self.lanes, self.simd)
        return parts

    def rows(self, kernel: np.ndarray) -> np.ndarray:
        """``kernel`` (KH, KW, CI, CO) as a matrix with rows in the order of the window's beats."""
        if self.kind == "parallel":
            kh, kw, ci, co = kernel.shape
            grouped = kernel.reshape(kh, kw, ci // self.lanes, self.lanes, co)
            kernel = grouped.transpose(2, 0, 1, 3, 4)
        return kernel.reshape(-1, kernel.shape[-1])

    def cycles(self, passes: int) -> tuple[int, int]:
        """(interval, latency) up to the MAC array's last input, for ``passes`` over each window.

        The array takes the beats of a window once, then replays them for the other passes. From
        the first beat of a window to that of the next it therefore needs ``pace`` cycles.
        """
        if self.kind == "direct":
            interval = passes * self.x.size // self.simd
            return interval, interval - 1
        generator = self.windows()
        walk = generator.walk
        head = self.pad.border_before
        beats = walk.reads // self.gather if self.kind == "serial" else walk.groups
        replay = (passes - 1) * beats
        if isinstance(generator, SlidingWindow):
            pace = (beats - 1) * self.gather + max(replay + 1, self.gather)
            interval, last = generator.paced(pace)
            return interval, last + replay - head + self.gather
        gaps = np.diff([*walk.bases, walk.frame + walk.bases[0]])
        interval = int(np.maximum(gaps, replay + beats).sum())
        return interval, interval + walk.span - head + replay

    def area(self) -> tuple[int, int, float]:
        """Estimated (LUT, FF, BRAM)."""
        if self.kind == "direct":
            return 0, 0, 0.0
        bits = self.lanes * self.padded.range.width
        walk = self.windows().walk
        if self.kind == "serial":
            lut, bram = ram_cost(bits, self.windows().depth)  # type: ignore[union-attr]
            return lut + 60, 30 + (self.gather - 1) * bits, bram
        lines = walk.kernel[0] - 1
        lut, bram = ram_cost(bits * lines, walk.row * walk.dilation[0]) if lines else (0, 0.0)
        columns = (walk.kernel[1] - 1) * walk.dilation[1] * walk.groups + 1
        return lut + 25, 20 + bits * walk.kernel[0] * columns, bram
