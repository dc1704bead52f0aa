"""A constant border around an image, as it streams by."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class Pad(wiring.Component):
    """The raster stream of the padded image; a wire where there is nothing to pad.

    In raster order a padded image is a sequence of runs: the border above and to the left of the
    first pixel; then, by turns, a row of the image and the border between two rows; at last the
    border behind the last pixel, which goes on with that above the next image and there waits for
    that image's first beat. One counter walks each run, one counts rows. Without left and right
    border all rows are one run.

    Parameters
    ----------
    range_ : range of the image's elements; ``o`` has ``range_ | value``.
    shape : (H, W, C) of the image.
    lanes : elements per beat; must divide C.
    padding : (top, left, bottom, right) pixels, not negative.
    value : what the border holds.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(lanes, output_range))

    Timing
    ------
    interval = padded beats = (top + H + bottom) * (left + W + right) * C / lanes
    latency = interval - 1 - (beats before the first pixel)
    No register lies between ``i`` and ``o``.
    """

    def __init__(
        self,
        range_: IntRange,
        shape: tuple[int, int, int],
        lanes: int,
        padding: tuple[int, int, int, int],
        value: int = 0,
    ) -> None:
        if min(shape) < 1:
            raise ValueError(f"shape must be positive, not {shape!r}")
        if lanes < 1 or shape[2] % lanes:
            raise ValueError(f"lanes must divide {shape[2]} channels, not {lanes!r}")
        if min(padding) < 0:
            raise ValueError(f"padding must be at least 0, not {padding!r}")
        self.range_, self.shape, self.lanes = range_, shape, lanes
        self.padding, self.value = padding, value
        self.output_range = range_ | IntRange(value, value) if any(padding) else range_
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, self.output_range))})

    @property
    def _runs(self) -> tuple[int, int, int, int]:
        """Beats of the border before the first pixel, of a row, between rows, after the last."""
        (height, width, channels), (top, left, bottom, right) = self.shape, self.padding
        beats, row = channels // self.lanes, left + width + right
        head, tail = (top * row + left) * beats, (bottom * row + right) * beats
        if left + right == 0:
            return head, height * width * beats, 0, tail
        return head, width * beats, (left + right) * beats, tail

    @property
    def border_before(self) -> int:
        """Beats of the border before the first pixel, which wait for no input."""
        return self._runs[0]

    def places(self) -> np.ndarray:
        """Which output beat each input beat of a frame becomes."""
        (height, width, channels), (top, left, bottom, right) = self.shape, self.padding
        beats = channels // self.lanes
        full = np.arange((top + height + bottom) * (left + width + right) * beats)
        image = full.reshape(top + height + bottom, left + width + right, beats)
        return image[top : top + height, left : left + width].ravel()

    @property
    def interval(self) -> int:
        (height, width, channels), (top, left, bottom, right) = self.shape, self.padding
        return (top + height + bottom) * (left + width + right) * channels // self.lanes

    @property
    def latency(self) -> int:
        return self.interval - 1 - self._runs[0]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inside, free = self._walk(m) if any(self.padding) else (Const(1), Const(0))
        m.d.comb += [
            self.o.valid.eq(self.i.valid | free),
            self.i.ready.eq(self.o.ready & inside),
        ]
        for x, y in zip(self.i.payload, self.o.payload, strict=True):
            m.d.comb += y.eq(Mux(inside, x, self.value))
        return m

    def _walk(self, m: Module) -> tuple[Value, Value]:
        """Whether the beat at ``o`` is one of the image; whether it needs no beat at ``i``.

        The border before an image waits for it, so that nothing leaves before its frame has begun.
        """
        head, row, gap, tail = self._runs
        rows = self.shape[0] if gap else 1
        inside = Signal(init=not head)
        left = Signal(range(max(row, gap, head + tail)), init=(head or row) - 1)
        border: Value = Const(head + tail - 1)  # the run that follows, when a row ends
        between: Value = Const(0)  # two rows of one image
        step = self.o.valid & self.o.ready
        if rows > 1:
            y = Signal(range(rows))
            last, between = y == rows - 1, y != 0
            border = Mux(last, head + tail - 1, gap - 1)
            with m.If(step & inside & (left == 0)):
                m.d.sync += y.eq(Mux(last, 0, y + 1))
        with m.If(step):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += [inside.eq(~inside), left.eq(Mux(inside, border, row - 1))]
        return inside, ~inside & (between | (left >= head))
