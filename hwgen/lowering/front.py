"""What stands before a MAC array that convolves: padding, windows, and lanes to suit it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd, prod

import numpy as np
from amaranth.lib.wiring import Component

from hwgen.core.intrange import IntRange
from hwgen.core.window import Window
from hwgen.hw.pad import Pad
from hwgen.hw.parallel_window import ParallelWindow
from hwgen.hw.sliding_window import SlidingWindow
from hwgen.hw.width_converter import WidthConverter
from hwgen.ir.types import TensorType
from hwgen.lowering.actor import Actor, Rigid, Windowed, mac_actor
from hwgen.lowering.cost import ram_cost


@dataclass(frozen=True)
class Front:
    """The way of an image ``x`` into windows of SIMD lanes, whole or one ``groups``-th of the
    channels after another: the vectors of a MAC array.

    Three kinds. ``direct``: the stream's own order is that of the windows (a 1x1 kernel, or one
    as large as the image). ``serial``: words of ``lanes`` channels read one per cycle from a line
    buffer, ``gather`` of them to a beat. ``parallel``: all pixels of a window at once, ``lanes``
    channels at a time.
    """

    x: TensorType
    window: Window
    pad_value: int
    simd: int
    groups: int = 1

    @property
    def channels(self) -> int:
        """Of a group."""
        return self.x.channels // self.groups

    @property
    def kind(self) -> str:
        taps, plain = prod(self.window.kernel), not any(self.window.padding)
        if plain and self.window.kernel == (1, 1) == self.window.stride:
            return "direct"
        image = self.window.dilation == (1, 1) and self.window.kernel == self.x.shape[:2]
        if plain and image and self.groups == 1:
            return "direct"
        whole = self.simd % taps == 0 and self.channels % (self.simd // taps) == 0
        return "parallel" if whole and self.channels % self.simd else "serial"

    @property
    def lanes(self) -> int:
        """Lanes of the input stream."""
        return {
            "direct": self.simd,
            "serial": gcd(self.simd, self.channels),
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
        return TensorType(shape, self.x.range | IntRange(self.pad_value, self.pad_value))

    @property
    def timing(self) -> tuple[Pad, SlidingWindow | ParallelWindow]:
        """Padding and windows of the same words, holding one bit: cycles depend on no more."""
        words = (*self.x.shape[:2], self.x.channels // self.lanes)
        return _generators(IntRange(0, 1), words, 1, self.window, 0, self.kind, self.groups)

    def parts(self) -> dict[str, Component]:
        """The components, by name, in the order in which data passes them."""
        parts: dict[str, Component] = {}
        if self.kind != "direct":
            make = _generators.__wrapped__  # components are used once: none from the cache
            pad, windows = make(
                self.x.range, self.x.shape, self.lanes, self.window, self.pad_value, self.kind,
                self.groups,
            )  # fmt: skip
            parts = {"pad": pad} if any(self.window.padding) else {}
            parts["window"] = windows
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

    def _beats(self) -> int:
        """Beats of a vector: a window, or a group's part of it."""
        return prod(self.window.kernel) * self.channels // self.simd

    def _pace(self, passes: int) -> int:
        """Cycles from the first word of a vector to that of the next, with a serial generator.

        The array takes the beats of a vector once, then replays them for the other passes; the
        last of these hides the gathering of the next vector's first beat.
        """
        beats = self._beats()
        return (beats - 1) * self.gather + max((passes - 1) * beats + 1, self.gather)

    def _starts(self, passes: int) -> np.ndarray:
        """Cycles of the first word that ends each window, with a parallel generator: its distance
        to the next window, or the time that the array needs, whichever is longer."""
        walk = self.timing[1].walk
        gaps = np.diff([*walk.bases, walk.frame + walk.bases[0]])
        work = self.groups * passes * self._beats()
        steps = np.maximum(gaps + self._held(passes, self.groups - 1), work)
        return np.concatenate([[0], np.cumsum(steps)])

    def _held(self, passes: int, group: np.ndarray | int) -> np.ndarray | int:
        """Cycles for which replays hold up the words of a group within a window's last pixel."""
        return group * (passes - 1) * self._beats()

    def actor(self, passes: int, delay: int) -> Actor:
        """The timing of the windows and, with its ``delay`` from input to output, the array."""
        if self.kind == "direct":
            taps = prod(self.window.kernel)
            vectors = self.groups * self.x.pixels // taps
            return mac_actor(self._beats(), passes, vectors, delay)
        pad, generator = self.timing
        places, walk = pad.places(), generator.walk
        if isinstance(generator, SlidingWindow):
            run, pace = walk.reads // self.groups, self._pace(passes)
            period = max(run, pace)  # from one vector of a window to the next
            last = np.arange(1 - self.groups, 1) * period
            gives = (last[:, None] + np.arange(passes) * self._beats()).ravel()
            busy = run + (self.groups - 1) * period
            delay += 1 + (self.gather > 1)  # output registers of the generator, the converter
            return Windowed(places, walk.frame, walk.bases, walk.span, busy, generator.depth,
                            busy - run + pace, gives, delay)  # fmt: skip
        # Local time stands still at a window's last word while the array is busy.
        starts = self._starts(passes)
        first = np.asarray(walk.bases) + walk.span - walk.groups  # first word that ends window n
        window = np.searchsorted(first, places, side="right") - 1
        before = window < 0
        window = np.maximum(window, 0)
        origin, beats = first[0], self._beats()
        since = places - first[window]
        group = np.minimum(since // beats, self.groups - 1)
        takes = starts[window] + since + self._held(passes, group) + origin
        takes = np.where(before, places, takes)
        turns = np.arange(1, self.groups * passes + 1) * beats - 1
        gives = (starts[:-1, None] + origin + turns).ravel()
        return Rigid((takes,), gives, int(starts[-1]), delay + 1, head=pad.first)

    def cycles(self, passes: int) -> tuple[int, int]:
        """(interval, latency) up to the MAC array's last input, for ``passes`` over each window."""
        if self.kind == "direct":
            interval = passes * self.x.size // self.simd
            return interval, interval - 1
        pad, generator = self.timing
        walk, head = generator.walk, pad.first
        replay = (passes - 1) * self._beats()
        if isinstance(generator, SlidingWindow):
            interval, last = generator.paced(self._pace(passes))
            return interval, last + replay - head + self.gather
        interval = int(self._starts(passes)[-1])
        return interval, interval + walk.span - head + replay

    def area(self) -> tuple[int, int, float]:
        """Estimated (LUT, FF, BRAM)."""
        if self.kind == "direct":
            return 0, 0, 0.0
        bits = self.lanes * self.padded.range.width
        _, generator = self.timing
        walk = generator.walk
        border = bits + 15 if any(self.window.padding) else 0  # what chooses, and what counts
        if isinstance(generator, SlidingWindow):
            lut, bram = ram_cost(bits, generator.depth)
            return lut + 35 + border, 30 + (self.gather - 1) * bits, bram
        lines = walk.kernel[0] - 1
        lut, bram = ram_cost(bits * lines, walk.row * walk.dilation[0]) if lines else (0, 0.0)
        columns = (walk.kernel[1] - 1) * walk.dilation[1] * walk.groups + 1
        return lut + 30 + border, 20 + bits * walk.kernel[0] * columns, bram


@lru_cache(maxsize=4096)
def _generators(range_: IntRange, shape: tuple[int, ...], lanes: int, window: Window,
                pad_value: int, kind: str, groups: int,
                ) -> tuple[Pad, SlidingWindow | ParallelWindow]:  # fmt: skip
    """Padding, and the window generator of the serial or the parallel kind."""
    height, width, channels = shape
    pad = Pad(range_, (height, width, channels), lanes, window.padding, pad_value)
    padded = (*window.padded_shape(shape), channels)
    geometry = padded, lanes, window.kernel, window.stride, window.dilation
    windows = (
        SlidingWindow(pad.output_range, *geometry, groups) if kind == "serial"
        else ParallelWindow(pad.output_range, *geometry)  # its order is by groups anyway
    )  # fmt: skip
    for part in (pad, windows):
        vars(part)["_MustUse__used"] = (
            True  # Amaranth warns of parts that are only asked for their timing
        )
    return pad, windows
