"""A stream registered forwards: the cheapest buffer, a register per bit and one LUT in all."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class RegisterSlice(wiring.Component):
    """One beat in registers. ``i.ready`` follows ``o.ready`` within the cycle, which is what
    :class:`hwgen.hw.skid_buffer.SkidBuffer` spends a second beat and its multiplexers to avoid.

    Parameters: ``lanes`` (at least 1), ``range_`` of each lane.
    Members: ``i : In(words(lanes, range_))``, ``o : Out(words(lanes, range_))``.
    Timing: ``interval`` 1 cycle per beat; ``latency`` 1 for a frame of one beat.
    """

    interval = 1
    latency = 1

    def __init__(self, lanes: int, range_: IntRange) -> None:
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, range_))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat, valid = Signal(self.o.payload.shape(), reset_less=True), Signal()
        m.d.comb += [
            self.i.ready.eq(self.o.ready | ~valid),
            self.o.valid.eq(valid),
            self.o.payload.eq(beat),
        ]
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), beat.eq(self.i.payload)]
        return m
