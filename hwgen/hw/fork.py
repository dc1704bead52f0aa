"""One stream to several consumers, each at its own pace within a beat."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class Fork(wiring.Component):
    """Every beat of ``i`` to every output, eagerly: no consumer waits for another to be ready.

    An output that has its copy rests until all have theirs; then the beat leaves ``i``.

    Parameters
    ----------
    lanes, range_ : the stream.
    n : outputs, at least 1.

    Members
    -------
    i : In(words(lanes, range_))     o0, o1 ... : Out(words(lanes, range_))

    Timing
    ------
    interval = 1 cycle per beat; latency = 0. No register lies on the payload.
    """

    interval = 1
    latency = 0

    def __init__(self, lanes: int, range_: IntRange, n: int) -> None:
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n!r}")
        self.lanes, self.range_, self.n = lanes, range_, n
        outputs = {f"o{k}": Out(words(lanes, range_)) for k in range(n)}
        super().__init__({"i": In(words(lanes, range_)), **outputs})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outputs = [getattr(self, f"o{k}") for k in range(self.n)]
        served = Signal(self.n)  # has taken the current beat in an earlier cycle
        taken = Signal(self.n)
        for k, o in enumerate(outputs):
            m.d.comb += [
                o.valid.eq(self.i.valid & ~served[k]),
                o.payload.eq(self.i.payload),
                taken[k].eq(served[k] | o.ready),
            ]
        m.d.comb += self.i.ready.eq(taken.all())
        with m.If(self.i.valid):
            for k in range(self.n):
                m.d.sync += served[k].eq(taken[k] & ~self.i.ready)
        return m
