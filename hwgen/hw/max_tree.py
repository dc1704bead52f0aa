"""The greatest of several words, lane by lane."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import element, words


class MaxTree(wiring.Component):
    """``o[s] = max over g of i[g * lanes + s]``: a tree of comparators, then a register.

    Parameters
    ----------
    range_ : range of the elements.
    groups : words compared, at least 1.
    lanes : elements of a word, at least 1.

    Members
    -------
    i : In(words(groups * lanes, range_)), in the order (g, s)     o : Out(words(lanes, range_))

    Timing
    ------
    interval = 1 cycle per beat; latency = 1 for a frame of one beat.
    """

    interval = 1
    latency = 1

    def __init__(self, range_: IntRange, groups: int, lanes: int) -> None:
        if groups < 1:
            raise ValueError(f"groups must be at least 1, not {groups!r}")
        self.range_, self.groups, self.lanes = range_, groups, lanes
        super().__init__({"i": In(words(groups * lanes, range_)), "o": Out(words(lanes, range_))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid = Signal()
        m.d.comb += [self.i.ready.eq(self.o.ready | ~valid), self.o.valid.eq(valid)]
        with m.If(self.i.ready):
            m.d.sync += valid.eq(self.i.valid)
        for s in range(self.lanes):
            greatest = self._greatest(
                m, [self.i.payload[k] for k in range(s, len(self.i.payload), self.lanes)]
            )
            register = Signal(element(self.range_), name=f"max{s}", reset_less=True)
            with m.If(self.i.ready):
                m.d.sync += register.eq(greatest)
            m.d.comb += self.o.payload[s].eq(register)
        return m

    def _greatest(self, m: Module, values: list[Value]) -> Value:
        """The root of a balanced tree over ``values``."""
        while len(values) > 1:
            pairs = []
            for a, b in zip(values[::2], values[1::2], strict=False):
                node = Signal(element(self.range_))
                m.d.comb += node.eq(Mux(a > b, a, b))
                pairs.append(node)
            values = pairs + values[len(pairs) * 2 :]
        return values[0]
