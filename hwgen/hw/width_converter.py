"""Another number of lanes for the same elements in the same order."""

from __future__ import annotations

from math import gcd, lcm

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class WidthConverter(wiring.Component):
    """Any ``lanes_in`` to any ``lanes_out``, at one beat per cycle on the narrower side.

    Four forms, by what it takes: equal lanes are a wire; a multiple is collected in a shift
    register; a divisor is selected from the beat that waits at the input, without a register;
    any other pair passes a buffer of ``lanes_in + lanes_out - gcd`` elements. A frame, being a
    whole number of beats on both sides, leaves the converter as it found it.

    Parameters
    ----------
    range_ : range of the elements.
    lanes_in, lanes_out : at least 1.

    Members
    -------
    i : In(words(lanes_in, range_))     o : Out(words(lanes_out, range_))

    Timing
    ------
    for the smallest frame, ``lcm(lanes_in, lanes_out)`` elements in A input and B output beats:
    interval = max(A, B)
    latency = 0 where lanes_out divides lanes_in, else max(A, B)
    """

    def __init__(self, range_: IntRange, lanes_in: int, lanes_out: int) -> None:
        self.range_, self.lanes_in, self.lanes_out = range_, lanes_in, lanes_out
        super().__init__({"i": In(words(lanes_in, range_)), "o": Out(words(lanes_out, range_))})

    @property
    def interval(self) -> int:
        return lcm(self.lanes_in, self.lanes_out) // min(self.lanes_in, self.lanes_out)

    @property
    def latency(self) -> int:
        return 0 if self.lanes_in % self.lanes_out == 0 else self.interval

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.lanes_in % self.lanes_out == 0:
            self._select(m)
        elif self.lanes_out % self.lanes_in == 0:
            self._collect(m)
        else:
            self._gearbox(m)
        return m

    def _select(self, m: Module) -> None:
        """The input beat waits while its parts leave one by one."""
        parts, x, last = self.lanes_in // self.lanes_out, self.i.payload.as_value(), Const(1)
        choice = x
        if parts > 1:
            part = Signal(range(parts))
            last = part == parts - 1
            choice = x.word_select(part, len(x) // parts)
            with m.If(self.i.valid & self.o.ready):
                m.d.sync += part.eq(Mux(last, 0, part + 1))
        m.d.comb += [
            self.o.payload.as_value().eq(choice),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & last),
        ]

    def _collect(self, m: Module) -> None:
        """Beats shift in from the top until the word is whole."""
        parts, x = self.lanes_out // self.lanes_in, self.i.payload.as_value()
        word = Signal(len(x) * parts, reset_less=True)
        part, full = Signal(range(parts)), Signal()
        last = part == parts - 1
        m.d.comb += [
            self.o.payload.as_value().eq(word),
            self.o.valid.eq(full),
            self.i.ready.eq(self.o.ready | ~full),
        ]
        with m.If(self.i.ready):
            m.d.sync += full.eq(self.i.valid & last)
            with m.If(self.i.valid):
                m.d.sync += [word.eq(Cat(word, x)[len(x) :]), part.eq(Mux(last, 0, part + 1))]

    def _gearbox(self, m: Module) -> None:
        """A queue of granules: beats leave at its bottom and enter above what remains."""
        granule = gcd(self.lanes_in, self.lanes_out)
        n_in, n_out = self.lanes_in // granule, self.lanes_out // granule
        size, bits = n_in + n_out - 1, granule * len(self.i.payload.as_value()) // self.lanes_in
        queue = [Signal(bits, name=f"granule{k}", reset_less=True) for k in range(size)]
        level = Signal(range(size + 1))
        rest = Signal(range(size + 1))  # what remains once the output beat has left
        leave, enter = Signal(), Signal()
        x = [self.i.payload.as_value().word_select(k, bits) for k in range(n_in)]
        m.d.comb += [
            self.o.valid.eq(level >= n_out),
            self.o.payload.as_value().eq(Cat(queue[:n_out])),
            leave.eq(self.o.valid & self.o.ready),
            rest.eq(Mux(leave, level - n_out, level)),
            self.i.ready.eq(rest < n_out),
            enter.eq(self.i.valid & self.i.ready),
        ]
        m.d.sync += level.eq(Mux(enter, rest + n_in, rest))
        for k, register in enumerate(queue):
            kept: Value = Mux(leave, queue[k + n_out], register) if k + n_out < size else register
            # Element k of the queue is beat element k - rest, for each rest < n_out that has one.
            fresh = Array(x[k - r] if 0 <= k - r < n_in else x[0] for r in range(n_out))[rest]
            m.d.sync += register.eq(Mux(enter & (rest <= k), fresh, kept))
