"""The sum of several words, lane by lane."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import add_tree, tree_registers
from hwgen.hw.stepping import data_register, delay_flags
from hwgen.hw.stream import words


class SumTree(wiring.Component):
    """``o[s] = sum over g of i[g * lanes + s]``: a tree of adders, then a register.

    Parameters
    ----------
    range_, y_range : of the elements, and of the sums.
    groups : words added, at least 1.
    lanes : elements of a word, at least 1.

    Members
    -------
    i : In(words(groups * lanes, range_)), in the order (g, s)     o : Out(words(lanes, y_range))

    Timing
    ------
    interval = 1 cycle per beat
    latency of a frame of one beat = 1 + tree_registers(groups)
    """

    interval = 1

    def __init__(self, range_: IntRange, y_range: IntRange, groups: int, lanes: int) -> None:
        if groups < 1:
            raise ValueError(f"groups must be at least 1, not {groups!r}")
        self.groups, self.lanes = groups, lanes
        super().__init__({"i": In(words(groups * lanes, range_)), "o": Out(words(lanes, y_range))})

    @property
    def latency(self) -> int:
        return 1 + tree_registers(self.groups)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal()

        m.d.comb += [step.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(step)]
        (valid,) = delay_flags(m, step, tree_registers(self.groups), self.i.valid)
        with m.If(step):
            m.d.sync += self.o.valid.eq(valid)
        for s in range(self.lanes):
            terms = [self.i.payload[k] for k in range(s, len(self.i.payload), self.lanes)]
            total = add_tree(terms, data_register(m, step))
            with m.If(step & valid):
                m.d.sync += self.o.payload[s].eq(total)
        return m
