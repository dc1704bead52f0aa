"""A constant border around an image, as it streams by."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.insert import Insert


class Pad(Insert):
    """The raster stream of the padded image; a wire where there is nothing to pad.

    An :class:`Insert` of a pixel's beats, a row and an image, with fewer counters. In raster order a padded image is a sequence of runs: the border above and to the left of the
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
        (height, width, channels), (top, left, bottom, right) = shape, padding
        beats = channels // lanes
        row, rows = (left + width + right) * beats, top + height + bottom
        before, behind = top * row + left * beats, bottom * row + right * beats
        if left + right:  # beats before the first pixel, of a row, between rows, behind the last
            self._runs = before, width * beats, (left + right) * beats, behind
        else:
            self._runs = before, height * width * beats, 0, behind
        self._rows = height if left + right else 1
        loops = [(beats, 1), (width, beats), (height, row)]
        super().__init__(range_, lanes, rows * row, loops, before, value)

    def _walk(self, m: Module) -> tuple[Value, Value]:
        """Whether the beat at ``o`` is one of the image; whether it needs no beat at ``i``.

        The border before an image waits for it, so that nothing leaves before its frame has begun.
        """
        (head, row, gap, tail), rows = self._runs, self._rows
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
