"""Indices of the greatest elements of a vector, found as it streams by."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import element, words


class TopK(Component):
    """The indices of the ``k`` greatest of each C elements, greatest first, in one beat.

    Of equal elements the one with the lower index comes first. With ``k > 1``, LANES is 1: every
    element is inserted into a sorted list of k. With ``k = 1`` the lanes meet in a tree.

    Members
    -------
    i : In(words(LANES, x_range))     o : Out(words(k, 0..C-1))

    Timing
    ------
    interval (cycles per vector) = C / LANES; latency = C / LANES - 1 + 1
    """

    def __init__(self, x_range: IntRange, *, channels: int, lanes: int = 1, k: int = 1):
        if channels % lanes or (k > 1 and lanes > 1):
            raise ValueError(f"LANES must divide {channels}, and be 1 for k > 1, not {lanes}")
        if not 1 <= k <= channels:
            raise ValueError(f"k must be in 1..{channels}, not {k}")
        self.x_range, self.channels, self.lanes, self.k = x_range, channels, lanes, k
        index = IntRange(0, channels - 1)
        super().__init__({"i": In(words(lanes, x_range)), "o": Out(words(k, index))})

    @property
    def interval(self) -> int:
        return self.channels // self.lanes

    @property
    def latency(self) -> int:
        return self.interval

    def elaborate(self, platform):
        m = Module()
        step, beat = Signal(), Signal(range(self.interval))
        last = beat == self.interval - 1
        fire = self.i.valid & step
        # Only the beat that ends a vector needs room at the output.
        m.d.comb += [step.eq(self.o.ready | ~self.o.valid | ~last), self.i.ready.eq(step)]
        with m.If(fire):
            m.d.sync += beat.eq(Mux(last, 0, beat + 1))

        value, index = self._best_lane(beat)
        shape, width = element(self.x_range), element(IntRange(0, self.channels - 1))
        best = [Signal(shape, name=f"best_{n}", reset_less=True) for n in range(self.k)]
        where = [Signal(width, name=f"index_{n}", reset_less=True) for n in range(self.k)]
        # Entry n is beaten if it is not filled yet or strictly less.
        beaten = [(beat <= n if n else beat == 0) | (value > best[n]) for n in range(self.k)]
        following: list[tuple[Value, Value]] = []
        for n in range(self.k):
            value_n: Value = Mux(beaten[n], value, best[n])
            index_n: Value = Mux(beaten[n], index, where[n])
            if n:
                value_n = Mux(beaten[n - 1], best[n - 1], value_n)
                index_n = Mux(beaten[n - 1], where[n - 1], index_n)
            following.append((value_n, index_n))
        with m.If(fire):
            for n, (value_n, index_n) in enumerate(following):
                m.d.sync += [best[n].eq(value_n), where[n].eq(index_n)]

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(fire & last):
            m.d.sync += self.o.valid.eq(1)
            for lane, (_, index_n) in zip(self.o.payload, following, strict=True):
                m.d.sync += lane.eq(index_n)
        return m

    def _best_lane(self, beat: Signal) -> tuple[Value, Value]:
        """The greatest lane of the present beat and its index in the vector."""
        entries: list[tuple[Value, Value]] = [
            (self.i.payload[lane], Const(lane, range(max(self.lanes, 2))))
            for lane in range(self.lanes)
        ]
        while len(entries) > 1:
            winners = [
                (Mux(b > a, b, a), Mux(b > a, j, i))
                for (a, i), (b, j) in zip(entries[::2], entries[1::2], strict=False)
            ]
            entries = winners + ([entries[-1]] if len(entries) % 2 else [])
        value, lane = entries[0]
        return value, beat * self.lanes + lane
