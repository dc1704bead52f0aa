"""Beats of several streams, by turns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class Turns(wiring.Component):
    """A run of beats from ``i0``, one from ``i1`` and so on, over and over.

    Parameters
    ----------
    ranges : of each input; ``o`` has their union.
    lanes : elements per beat, of all alike.
    runs : beats of a run, for each input; at least 1.

    Members
    -------
    i0, i1 ... : In(words(lanes, ranges[k]))     o : Out(words(lanes, output_range))

    Timing
    ------
    interval = 1 cycle per beat of ``o``; latency = 0. No register.
    """

    def __init__(self, ranges: Sequence[IntRange], lanes: int, runs: Sequence[int]) -> None:
        if len(ranges) != len(runs) or min(runs, default=0) < 1:
            raise ValueError(f"runs must be one positive number per range, not {runs!r}")
        self.runs, self.output_range = tuple(runs), reduce(or_, ranges)
        inputs = {f"i{k}": In(words(lanes, range_)) for k, range_ in enumerate(ranges)}
        super().__init__({**inputs, "o": Out(words(lanes, self.output_range))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn, beat = Signal(range(len(self.runs))), Signal(range(max(self.runs)))
        step = self.o.valid & self.o.ready
        with m.Switch(turn):
            for k, run in enumerate(self.runs):
                i, last = getattr(self, f"i{k}"), beat == run - 1
                with m.Case(k):
                    m.d.comb += [self.o.valid.eq(i.valid), i.ready.eq(self.o.ready)]
                    for x, y in zip(i.payload, self.o.payload, strict=True):
                        m.d.comb += y.eq(x)
                    with m.If(step):
                        m.d.sync += beat.eq(Mux(last, 0, beat + 1))
                        with m.If(last):
                            m.d.sync += turn.eq((k + 1) % len(self.runs))
        return m
