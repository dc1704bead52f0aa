"""The sum of all pixels of a frame, channel by channel."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.line_buffer import LineBuffer
from hwgen.hw.loop_nest import LoopNest
from hwgen.hw.stream import element, words


class FrameSum(wiring.Component):
    """One beat per channel group with the sums over its pixels, while the last pixel passes.

    The sums circulate in a :class:`LineBuffer` whose line is a pixel.

    Parameters
    ----------
    range_, y_range : of the elements, and of the sums; arithmetic is modulo the latter's width.
    pixels : of a frame.     groups : words of a pixel.     lanes : elements of a word.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(lanes, y_range))

    Timing
    ------
    interval = latency = pixels * groups
    """

    def __init__(
        self, range_: IntRange, y_range: IntRange, pixels: int, groups: int, lanes: int
    ) -> None:
        if min(pixels, groups) < 1:
            raise ValueError(f"pixels and groups must be positive, not {pixels!r} and {groups!r}")
        self.y_range, self.pixels, self.groups, self.lanes = y_range, pixels, groups, lanes
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, y_range))})

    @property
    def interval(self) -> int:
        return self.pixels * self.groups

    @property
    def latency(self) -> int:
        return self.interval

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fire, first, last, pixel = Signal(), Signal(), Signal(), Signal(range(self.pixels))
        m.submodules.sums = sums = LineBuffer(self.y_range, self.lanes, self.groups, 1)
        m.d.comb += [
            first.eq(pixel == 0),
            last.eq(pixel == self.pixels - 1),
            # Only the last pixel needs room at the output.
            self.i.ready.eq(self.o.ready | ~self.o.valid | ~last),
            fire.eq(self.i.valid & self.i.ready),
            sums.step.eq(fire),
        ]
        with m.If(fire & LoopNest(m, [self.groups], fire).ends[0]):
            m.d.sync += pixel.eq(Mux(last, 0, pixel + 1))
        for x, before, after, y in zip(
            self.i.payload, sums.above[0], sums.column[0], self.o.payload, strict=True
        ):
            total = Signal(element(self.y_range))
            m.d.comb += [total.eq(Mux(first, 0, before) + x), after.eq(total)]
            with m.If(fire & last):
                m.d.sync += y.eq(total)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(fire & last):
            m.d.sync += self.o.valid.eq(1)
        return m
