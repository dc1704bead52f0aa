"""The full register slice: cuts valid, payload and ready paths without losing a cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class SkidBuffer(wiring.Component):
    """A two-entry buffer with every output registered.

    "Skid buffer" here means the full register slice: the output has a register of its own, and a
    second one catches the beat that is under way when the output stalls. No combinational path
    leads from ``i`` to ``o`` or from ``o.ready`` to ``i.ready``.

    Parameters: ``lanes`` (at least 1), ``range_`` of each lane.
    Members: ``i : In(words(lanes, range_))``, ``o : Out(words(lanes, range_))``.
    Timing: ``interval`` 1 cycle per beat; ``latency`` 1 for a frame of one beat.
    """

    interval = 1
    latency = 1

    def __init__(self, lanes: int, range_: IntRange) -> None:
        self.lanes, self.range_ = lanes, range_
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, range_))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self.o.payload.shape()
        output, spare = Signal(layout, reset_less=True), Signal(layout, reset_less=True)
        valid, room = Signal(), Signal(init=1)  # room: the spare register is free
        m.d.comb += [
            self.i.ready.eq(room),
            self.o.valid.eq(valid),
            self.o.payload.eq(output),
        ]
        with m.If(room):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(self.o.ready | ~valid):
            m.d.sync += [
                output.eq(Mux(room, self.i.payload, spare)),
                valid.eq(self.i.valid | ~room),
                room.eq(1),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += room.eq(0)
        return m
