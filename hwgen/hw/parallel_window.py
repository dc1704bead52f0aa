"""The parallel window generator: a whole window per beat, one input word per cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.line_buffer import LineBuffer
from hwgen.hw.loop_nest import LoopNest, increments, merge
from hwgen.hw.stream import words
from hwgen.hw.window_walk import WindowWalk


class ParallelWindow(wiring.Component):
    """One beat per output pixel (raster order) and channel group, with all pixels of its window.

    Lanes of a beat: (kh, kw, s). Lines come from a :class:`LineBuffer`, columns from a shift
    register; the beat leaves when the window's last word has shifted in. Nothing stands still at
    the ends of rows and frames.

    Parameters
    ----------
    range_ : range of the elements.
    shape : (H, W, C) of the image, padding included.
    lanes : elements per input word; must divide C.
    kernel, stride, dilation : (rows, columns) in pixels, at least 1.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(KH * KW * lanes, range_))

    Timing
    ------
    interval = H * W * C / lanes
    latency = last word of the last window, counted from 1
    """

    def __init__(
        self,
        range_: IntRange,
        shape: tuple[int, int, int],
        lanes: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
    ) -> None:
        self.range_ = range_
        self.walk = WindowWalk(shape, lanes, kernel, stride, dilation)
        lanes_out = kernel[0] * kernel[1] * lanes
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes_out, range_))})

    @property
    def interval(self) -> int:
        return self.walk.frame

    @property
    def latency(self) -> int:
        return self.walk.bases[-1] + self.walk.span

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walk, x = self.walk, self.i.payload.as_value()
        (kh, kw), (dh, dw), bits = walk.kernel, walk.dilation, len(x)
        step, valid = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(self.o.ready | ~valid),
            step.eq(self.i.valid & self.i.ready),
            self.o.valid.eq(valid),
        ]

        apart = dw * walk.groups  # words between neighbouring columns of a window
        length = (kw - 1) * apart + 1
        columns = Signal(kh * bits * length, reset_less=True)  # newest first
        column: Value = x  # (kh, s), oldest line first
        if kh > 1:
            # The lines take over where the shift register ends.
            line = dh * walk.row
            late = min(length, line - 1)
            m.submodules.lines = lines = LineBuffer(self.range_, walk.lanes, line, kh - 1, late)
            column = Cat(*[lines.above[k] for k in reversed(range(kh - 1))], x)
            left = columns.word_select(late - 1, len(column)) if late else column
            m.d.comb += [
                lines.step.eq(step),
                lines.column.as_value().eq(
                    Cat(left.word_select(k, bits) for k in reversed(range(1, kh)))
                ),
            ]
        with m.If(step):
            m.d.sync += columns.eq(Cat(column, columns)[: len(columns)])
        m.d.comb += self.o.payload.as_value().eq(
            Cat(
                columns.word_select((kw - 1 - b) * apart * kh + a, bits)
                for a in range(kh)
                for b in range(kw)
            )
        )

        ends_window = self._ends_window(m, step)
        with m.If(self.i.ready):
            m.d.sync += valid.eq(self.i.valid & ends_window)
        return m

    def _ends_window(self, m: Module, step: Value) -> Value:
        """Whether the current word belongs to a window's last pixel."""
        walk = self.walk
        (height, width, _), (sh, sw), (eh, ew) = walk.shape, walk.stride, walk.extent
        pixel = step & LoopNest(m, [walk.groups], step).ends[0] if walk.groups > 1 else step
        rows, columns = walk.output_shape
        loops = merge([(columns, sw), (rows, sh * width)])
        gains, first = increments(loops, height * width), (eh - 1) * width + ew - 1
        if max(gains) == 1 and first == 0:
            return Const(1)
        wait = Signal(range(max(first + 1, *gains)), init=first)  # pixels before the next end
        here = wait == 0
        nest = LoopNest(m, [count for count, _ in loops], pixel & here)
        with m.If(pixel):
            m.d.sync += wait.eq(Mux(here, nest.choose([g - 1 for g in gains]), wait - 1))
        return here
