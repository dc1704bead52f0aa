"""Several streams in step, side by side in one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class Join(wiring.Component):
    """One beat of every input makes one beat of the output, all in the same cycle.

    The output carries the lanes of ``i0``, then those of ``i1`` and so on, each extended (which
    is wiring) to the union of the ranges: one valid for all operands, as an elementwise operator
    of several tensors needs it.

    Parameters
    ----------
    lanes : lanes of each input; at least one input.
    ranges : range of each input.

    Members
    -------
    i0, i1 ... : In(words(lanes[k], ranges[k]))
    o : Out(words(sum(lanes), output_range))

    Timing
    ------
    interval = 1 cycle per beat; latency = 0. No register.
    """

    interval = 1
    latency = 0

    def __init__(self, lanes: Sequence[int], ranges: Sequence[IntRange]) -> None:
        if not lanes or len(lanes) != len(ranges):
            raise ValueError(f"lanes must be one number per range, not {lanes!r}")
        self.lanes, self.ranges = tuple(lanes), tuple(ranges)
        self.output_range = reduce(or_, self.ranges)
        inputs = {
            f"i{k}": In(words(n, range_))
            for k, (n, range_) in enumerate(zip(lanes, ranges, strict=True))
        }
        super().__init__({**inputs, "o": Out(words(sum(lanes), self.output_range))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inputs = [getattr(self, f"i{k}") for k in range(len(self.lanes))]
        m.d.comb += self.o.valid.eq(Cat(i.valid for i in inputs).all())
        for i in inputs:
            m.d.comb += i.ready.eq(self.o.valid & self.o.ready)
        elements = [x for i in inputs for x in i.payload]
        for x, y in zip(elements, self.o.payload, strict=True):
            m.d.comb += y.eq(x)
        return m
