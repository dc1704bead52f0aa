"""Words of a block in another order, and as often as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hwgen.core.intrange import IntRange
from hwgen.hw.loop_nest import Loop, LoopNest, increments, indices, merge
from hwgen.hw.stream import words


class BlockBuffer(wiring.Component):
    """Blocks of words, one written while the one before is read in the order of a loop nest.

    Parameters
    ----------
    range_, lanes : elements of a word.
    loops : (count, stride) in words, innermost first, that read a block; a stride of 0 repeats.
        The last word that they reach is the last of a block.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(lanes, range_))

    Timing
    ------
    for blocks of B words, read in R steps, R at least B:
    interval = R; latency = B + R
    """

    def __init__(self, range_: IntRange, lanes: int, loops: Sequence[Loop]) -> None:
        self.range_, self.lanes, self.loops = range_, lanes, merge(loops)
        self.block, self.reads = int(indices(loops).max()) + 1, prod(count for count, _ in loops)
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, range_))})

    @property
    def interval(self) -> int:
        return self.reads

    @property
    def latency(self) -> int:
        return self.block + self.reads

    def elaborate(self, platform: object) -> Module:
        m = Module()
        index_bits = ceil_log2(self.block)
        depth = (1 << index_bits) + self.block  # the upper block starts at a power of two
        m.submodules.memory = memory = Memory(shape=self.i.payload.shape(), depth=depth, init=[])
        writer, reader = memory.write_port(), memory.read_port()
        full = Signal(range(3))  # blocks written and not yet read
        valid, write, read, step = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(full != 2),
            write.eq(self.i.valid & self.i.ready),
            step.eq(self.o.ready | ~valid),
            read.eq(step & (full != 0)),
        ]

        to, to_bank = Signal(index_bits), Signal()
        written = write & (to == self.block - 1)
        m.d.comb += [
            writer.en.eq(write),
            writer.data.eq(self.i.payload),
            writer.addr.eq(Cat(to, to_bank)),
        ]
        with m.If(write):
            m.d.sync += to.eq(Mux(to == self.block - 1, 0, to + 1))

        at, at_bank = Signal(index_bits), Signal()
        nest = LoopNest(m, [count for count, _ in self.loops], read)
        done = read & nest.end
        m.d.comb += [reader.en.eq(read), reader.addr.eq(Cat(at, at_bank))]
        with m.If(read):
            m.d.sync += at.eq(at + nest.choose(increments(self.loops, 0)))

        m.d.sync += [
            to_bank.eq(to_bank ^ written),
            at_bank.eq(at_bank ^ done),
            full.eq(full + written - done),
        ]
        # The memory's own output register is the output register.
        with m.If(step):
            m.d.sync += valid.eq(full != 0)
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.eq(reader.data)]
        return m
