"""Constants between the words of a stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.loop_nest import Loop, LoopNest, increments, indices, merge, rising
from hwgen.hw.stream import words


class Insert(wiring.Component):
    """Puts the words of a stream where a loop nest says in a longer frame, constants elsewhere.

    The counterpart of :class:`Select`. What stands before a frame's first word waits for it, so
    that nothing leaves before its frame has begun; what stands behind its last word does not.

    Parameters
    ----------
    range_, lanes : the stream that enters; ``o`` has ``range_ | value`` where constants are put in.
    frame : words of the frame that leaves.
    loops : (count, stride) in words of that frame, innermost first; the index rises.
    first : index of the first word.
    value : what the other words hold.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(lanes, output_range))

    Timing
    ------
    interval = frame
    latency = frame - 1 - first
    No register lies between ``i`` and ``o``.
    """

    def __init__(
        self,
        range_: IntRange,
        lanes: int,
        frame: int,
        loops: Sequence[Loop],
        first: int = 0,
        value: int = 0,
    ) -> None:
        self.frame, self.loops, self.first, self.value = frame, merge(loops), first, value
        places = rising(self.loops, first, frame)
        self.full = len(places) == frame
        self.output_range = range_ if self.full else range_ | IntRange(value, value)
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, self.output_range))})

    def places(self) -> np.ndarray:
        """The index of every word that entered in the frame that leaves."""
        return self.first + indices(self.loops)

    @property
    def interval(self) -> int:
        return self.frame

    @property
    def latency(self) -> int:
        return self.frame - 1 - self.first

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inside, free = (Const(1), Const(0)) if self.full else self._walk(m)
        m.d.comb += [
            self.o.valid.eq(self.i.valid | free),
            self.i.ready.eq(self.o.ready & inside),
        ]
        for x, y in zip(self.i.payload, self.o.payload, strict=True):
            m.d.comb += y.eq(Mux(inside, x, self.value))
        return m

    def _walk(self, m: Module) -> tuple[Value, Value]:
        """Whether the word at ``o`` is one that entered; whether it needs nothing at ``i``."""
        gains = increments(self.loops, self.frame)
        wait = Signal(range(max(self.first + 1, *gains, 1)), init=self.first)
        between = Signal(init=1)  # a frame's last word has left, the next one's first has not
        inside, step = wait == 0, self.o.valid & self.o.ready
        nest = LoopNest(m, [count for count, _ in self.loops], step & inside)
        with m.If(step):
            m.d.sync += wait.eq(Mux(inside, nest.choose([gain - 1 for gain in gains]), wait - 1))
            with m.If(inside):
                m.d.sync += between.eq(nest.end)
        return inside, ~inside & ~(between & (wait <= self.first))
