"""A part of a frame, as it streams by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.loop_nest import Loop, LoopNest, increments, indices, merge, rising
from hwgen.hw.stream import words


class Select(wiring.Component):
    """Passes the words of a frame that a loop nest visits, and swallows the others.

    One counter tells how many words to swallow before the next to pass; the loops of those that
    pass say what it starts from.

    Parameters
    ----------
    range_, lanes : the stream that enters.
    frame : words of a frame.
    loops : (count, stride) in words, innermost first, of the words that pass; the index rises.
    first : index of the first of them.
    picks : lanes of such a word that leave, at least one; all by default.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(len(picks), range_))

    Timing
    ------
    interval = frame
    latency = index of the last word that passes
    No register lies between ``i`` and ``o``.
    """

    def __init__(
        self,
        range_: IntRange,
        lanes: int,
        frame: int,
        loops: Sequence[Loop],
        first: int = 0,
        picks: Sequence[int] | None = None,
    ) -> None:
        self.picks = tuple(range(lanes) if picks is None else picks)
        self.frame, self.loops, self.first = frame, merge(loops), first
        self.full = len(rising(self.loops, first, frame)) == frame
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(len(self.picks), range_))})

    def places(self) -> np.ndarray:
        """The index of every word that passes."""
        return self.first + indices(self.loops)

    @property
    def interval(self) -> int:
        return self.frame

    @property
    def latency(self) -> int:
        return self.first + sum((count - 1) * stride for count, stride in self.loops)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        passes = Const(1) if self.full else self._walk(m)
        m.d.comb += [
            self.o.valid.eq(self.i.valid & passes),
            self.i.ready.eq(self.o.ready | ~passes),
        ]
        for lane, y in zip(self.picks, self.o.payload, strict=True):
            m.d.comb += y.eq(self.i.payload[lane])
        return m

    def _walk(self, m: Module) -> Value:
        """Whether the word at the input passes."""
        gains = increments(self.loops, self.frame)
        wait = Signal(range(max(self.first + 1, *gains, 1)), init=self.first)
        here, step = wait == 0, self.i.valid & self.i.ready
        nest = LoopNest(m, [count for count, _ in self.loops], step & here)
        with m.If(step):
            m.d.sync += wait.eq(Mux(here, nest.choose([gain - 1 for gain in gains]), wait - 1))
        return here
