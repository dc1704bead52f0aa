"""The elements of a frame in another order, through a memory of two blocks."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hwgen.core.intrange import IntRange
from hwgen.hw.loop_nest import Loop, LoopNest, increments, merge
from hwgen.hw.pipeline import Pipeline
from hwgen.hw.stream import words
from hwgen.hw.width_converter import WidthConverter


class FrameTranspose(Pipeline):
    """Axis k of the frame that leaves is axis ``axes[k]`` of the one that enters.

    The frame is cut into blocks, as small as leading axes that stay in place allow; a word is as
    many elements as last axes that stay and both lanes allow, or one. Each block is written in
    its order and read in the other (:class:`BlockTranspose`), between two width converters. Where
    only axes of size 1 move, or none, one width converter is all.

    Parameters
    ----------
    range_ : range of the elements.
    shape : of the frame that enters.
    axes : a permutation of its axes.
    lanes_in, lanes_out : divisors of the frame's elements.

    Members
    -------
    i : In(words(lanes_in, range_))     o : Out(words(lanes_out, range_))

    Timing
    ------
    for F words to a frame, B to a block and n to an input beat:
    interval = F
    latency = F + B - (n - 1) + (1 where an output beat is more than a word)
    Without blocks, for A input and Z output beats to a frame, and with n = lanes_in / lanes_out:
    interval = max(A, Z)
    latency = interval - n where n is whole, else interval
    """

    def __init__(
        self,
        range_: IntRange,
        shape: Sequence[int],
        axes: Sequence[int],
        lanes_in: int = 1,
        lanes_out: int = 1,
    ) -> None:
        if not shape or min(shape) < 1:
            raise ValueError(f"shape must be positive, not {tuple(shape)!r}")
        if sorted(axes) != list(range(len(shape))):
            raise ValueError(f"axes must be a permutation of {len(shape)} axes, not {axes!r}")
        for name, lanes in (("lanes_in", lanes_in), ("lanes_out", lanes_out)):
            if lanes < 1 or prod(shape) % lanes:
                raise ValueError(f"{name} must divide {prod(shape)} elements, not {lanes!r}")
        self.range_, self.shape, self.axes = range_, tuple(shape), tuple(axes)
        self.lanes_in, self.lanes_out = lanes_in, lanes_out
        self.word, self.block, loops = _plan(self.shape, self.axes, gcd(lanes_in, lanes_out))
        if len(loops) < 2:
            super().__init__({"lanes": WidthConverter(range_, lanes_in, lanes_out)})
            self.block = 0
            return
        super().__init__(
            {
                "narrow": WidthConverter(range_, lanes_in, self.word),
                "block": BlockTranspose(range_, self.word, loops),
                "widen": WidthConverter(range_, self.word, lanes_out),
            }
        )

    @property
    def interval(self) -> int:
        size = prod(self.shape)
        return size // (self.word if self.block else min(self.lanes_in, self.lanes_out))

    @property
    def latency(self) -> int:
        if self.block:
            beat = self.lanes_in // self.word
            return self.interval + self.block - (beat - 1) + (self.lanes_out > self.word)
        parts, rest = divmod(self.lanes_in, self.lanes_out)
        return self.interval if rest else self.interval - parts


def _plan(shape: Sequence[int], axes: Sequence[int], lanes: int) -> tuple[int, int, list[Loop]]:
    """Elements of a word, words of a block, and the loops that read a block.

    A word divides ``lanes`` and the run of elements that stay side by side.
    """
    moved = [axis for axis in axes if shape[axis] > 1]
    kept = sorted(moved)
    while moved and moved[0] == kept[0]:
        moved, kept = moved[1:], kept[1:]
    run = 1
    while moved and moved[-1] == kept[-1]:
        run *= shape[moved[-1]]
        moved, kept = moved[:-1], kept[:-1]
    word = gcd(run, lanes)
    strides, size = {}, run // word
    for axis in reversed(kept):
        strides[axis] = size
        size *= shape[axis]
    loops = [(run // word, 1), *((shape[axis], strides[axis]) for axis in reversed(moved))]
    return word, size, merge(loops)


class BlockTranspose(wiring.Component):
    """Blocks of words in another order: one is written while the one before is read.

    Parameters
    ----------
    range_, lanes : elements of a word.
    loops : (count, stride) in words, innermost first, that read a block.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(lanes, range_))

    Timing
    ------
    interval = B = words of a block; latency = 2 * B
    """

    def __init__(self, range_: IntRange, lanes: int, loops: Sequence[Loop]) -> None:
        self.range_, self.lanes, self.loops = range_, lanes, tuple(loops)
        self.block = prod(count for count, _ in loops)
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, range_))})

    @property
    def interval(self) -> int:
        return self.block

    @property
    def latency(self) -> int:
        return 2 * self.block

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
        done = read & nest.ends[-1]
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
