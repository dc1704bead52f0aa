"""A queue between two stages that do not keep the same pace."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words

DISTRIBUTED = 64  # deepest queue read without a clock, as distributed memory allows


class StreamFIFO(wiring.Component):
    """Up to ``depth`` beats wait between ``i`` and ``o``; one may enter while one leaves.

    The form follows the depth: 0 is a wire, 1 a register, up to 64 distributed memory and beyond
    that block memory, which answers a cycle later. Depth 1 alone lets ``i.ready`` look at
    ``o.ready``, so that it too passes a beat per cycle.

    Parameters
    ----------
    lanes, range_ : the stream.
    depth : beats, at least 0.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(lanes, range_))
    level : Out(range(depth + 1)), beats inside

    Timing
    ------
    interval = 1 cycle per beat
    latency of a frame of one beat = 0 for depth 0, 1 up to 64, 2 beyond
    """

    interval = 1

    def __init__(self, lanes: int, range_: IntRange, depth: int) -> None:
        if depth < 0:
            raise ValueError(f"depth must be at least 0, not {depth!r}")
        self.lanes, self.range_, self.depth = lanes, range_, depth
        stream = words(lanes, range_)
        super().__init__({"i": In(stream), "o": Out(stream), "level": Out(range(depth + 1))})

    @property
    def latency(self) -> int:
        return min(self.depth, 1) + (self.depth > DISTRIBUTED)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o = self.i, self.o
        if self.depth == 0:
            m.d.comb += [o.valid.eq(i.valid), o.payload.eq(i.payload), i.ready.eq(o.ready)]
            return m
        if self.depth == 1:
            register = Signal(i.payload.shape(), reset_less=True)
            m.d.comb += [
                o.valid.eq(self.level),
                o.payload.eq(register),
                i.ready.eq(o.ready | ~self.level),
            ]
            with m.If(i.ready):
                m.d.sync += [register.eq(i.payload), self.level.eq(i.valid)]
            return m
        queue = SyncFIFO if self.depth <= DISTRIBUTED else SyncFIFOBuffered
        m.submodules.queue = fifo = queue(width=len(i.payload.as_value()), depth=self.depth)
        m.d.comb += [
            fifo.w_data.eq(i.payload.as_value()),
            fifo.w_en.eq(i.valid),
            i.ready.eq(fifo.w_rdy),
            o.payload.as_value().eq(fifo.r_data),
            o.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(o.ready),
            self.level.eq(fifo.level),
        ]
        return m
