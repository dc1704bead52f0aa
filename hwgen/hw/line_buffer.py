"""Delays of whole lines: the words that stood above the current one."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class LineBuffer(wiring.Component):
    """For every word, the words 1, 2 ... ``taps`` lines earlier; a block, not a stream.

    All lines share one memory as wide as all taps: each step reads the column of the word to come
    and writes back, moved down by a line, that of the word ``late`` steps ago. So the memory holds
    ``line - late`` words. The two addresses never meet. What ``above`` shows in the first ``taps``
    lines after a reset means nothing.

    Parameters
    ----------
    range_, lanes : elements of a word.
    line : words from a line to the next, at least 1.
    taps : lines, at least 1.
    late : steps that columns have been kept elsewhere, less than ``line``.

    Members
    -------
    step : In(1), the current word is used    above : Out(taps words), nearest first
    column : In(taps words), ``late`` steps ago the current word and all but the last of ``above``

    Timing
    ------
    ``above`` comes from a register.
    """

    def __init__(self, range_: IntRange, lanes: int, line: int, taps: int, late: int = 0) -> None:
        if line < 1 or taps < 1:
            raise ValueError(f"line and taps must be at least 1, not {line!r} and {taps!r}")
        if not 0 <= late < line:
            raise ValueError(f"late must be 0..{line - 1}, not {late!r}")
        self.depth = line - late
        column = data.ArrayLayout(words(lanes, range_).members["payload"].shape, taps)
        super().__init__({"step": In(1), "column": In(column), "above": Out(column)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        column, above = self.column.as_value(), self.above.as_value()
        if self.depth == 1:
            register = Signal(len(above), reset_less=True)
            with m.If(self.step):
                m.d.sync += register.eq(column)
            m.d.comb += above.eq(register)
            return m
        m.submodules.memory = memory = Memory(shape=len(above), depth=self.depth, init=[])
        writer, reader = memory.write_port(), memory.read_port()
        coming = Signal(range(self.depth), init=1)  # where the next word's column lies
        m.d.comb += [
            writer.en.eq(self.step),
            writer.data.eq(column),
            reader.en.eq(self.step),
            reader.addr.eq(coming),
            above.eq(reader.data),
        ]
        with m.If(self.step):
            m.d.sync += writer.addr.eq(coming)
            m.d.sync += coming.eq(Mux(coming == self.depth - 1, 0, coming + 1))
        return m
