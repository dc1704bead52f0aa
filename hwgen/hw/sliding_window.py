"""The serial window generator: a line buffer in memory, read one word per cycle."""

from __future__ import annotations

from functools import cached_property

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.loop_nest import LoopNest, increments
from hwgen.hw.stream import words
from hwgen.hw.window_walk import WindowWalk


class SlidingWindow(wiring.Component):
    """The windows of an image, one after another, word by word.

    For each output pixel in raster order, the words (run, kh, kw, word) of its window. Words
    enter a circular buffer while it has room. A window starts once its last word is there; when
    its last word has been read, all that no later window needs is released at once. The words of
    the next image enter as soon as there is room; rows and columns that no window reaches pass
    through unread.

    Parameters
    ----------
    range_ : range of the elements.
    shape : (H, W, C) of the image, padding included.
    lanes : elements per word; must divide C.
    kernel, stride, dilation : (rows, columns) in pixels, at least 1.
    split : runs into which the words of a pixel are cut; see :class:`WindowWalk`.

    Members
    -------
    i : In(words(lanes, range_))     o : Out(words(lanes, range_))

    Timing
    ------
    A max-plus recurrence over the windows n of all frames, in cycles from 0, with the lengths of
    :class:`WindowWalk`; ``first[n]`` is the number of the window's first word in the stream:
    limit[n] = first[n] + depth: the first word that has to wait for the release of window n
    write[k] = k + max(0, read[n] + 1 - limit[n] over all n with limit[n] <= k)
    out[n]   = max(write[first[n] + span - 1] + 2, out[n-1] + 1) + reads - 1: the last word leaves
    read[n]  = out[n] - 1, or max(write[first[n]] + 1, out[n-1]) where reads = 1: it was read
    latency  = out[last window of the first frame]
    interval = growth of ``out`` from frame to frame, once it is the same for all windows; never
    below max(frame, windows * reads)
    """

    def __init__(
        self,
        range_: IntRange,
        shape: tuple[int, int, int],
        lanes: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        split: int = 1,
    ) -> None:
        self.range_ = range_
        self.walk = WindowWalk(shape, lanes, kernel, stride, dilation, split)
        self._paced: dict[int, tuple[int, int]] = {}
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, range_))})

    @cached_property
    def depth(self) -> int:
        """Words of memory: a window, and what the next one needs beyond it.

        Up to 64 words a power of two, which distributed memory gives for free and which saves
        the wrap of addresses.
        """
        steps = increments(self.walk.across, self.walk.frame)
        size = self.walk.span + max(steps[:-1] or steps)
        return 1 << (size - 1).bit_length() if size <= 64 else size

    def frame_ends(self, frames: int, pace: int = 0) -> list[list[int]]:
        """``out`` of every window, frame by frame.

        Before a consumer that takes the words of a run at once and the first of the next no
        sooner than ``pace`` cycles after the first of this one.
        """
        walk, depth, span, words = self.walk, self.depth, self.walk.span, self.walk.reads
        run = words // walk.split
        frame, bases = walk.frame, walk.bases
        firsts = [f * frame + base for f in range(frames) for base in bases]
        pause = max(pace - run, 0)
        busy = words + (walk.split - 1) * pause  # cycles to read a window
        early = 1 + (pause if run == 1 else 0)  # a word is read when the one before it leaves
        reads, outs, released, wait, out, free = [], [], 0, 0, 0, 0
        for first in firsts:
            last = first + span - 1
            while released < len(reads) and firsts[released] + depth <= last:
                wait = max(wait, reads[released] + 1 - firsts[released] - depth)
                released += 1
            whole = last + wait + 1
            # A lone word is read as soon as the output register is free, then waits there.
            lone = max(whole, out)
            out = max(whole + 1, free) + busy - 1
            free = out + 1 + pause
            reads.append(out - early if words > 1 else lone)
            outs.append(out)
        windows = len(bases)
        return [outs[k : k + windows] for k in range(0, len(outs), windows)]

    def paced(self, pace: int) -> tuple[int, int]:
        """(interval, latency) before a consumer of that pace, as for :meth:`frame_ends`."""
        if pace not in self._paced:
            frames, growth = 3, set[int]()
            while len(growth) != 1:
                *_, before, after, last = ends = self.frame_ends(frames, pace)
                growth = {b - a for a, b in zip(before + after, after + last, strict=True)}
                frames += 2
            self._paced[pace] = growth.pop(), ends[0][-1]
        return self._paced[pace]

    @property
    def interval(self) -> int:
        return self.paced(0)[0]

    @property
    def latency(self) -> int:
        return self.paced(0)[1]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walk, depth = self.walk, self.depth
        layout = self.i.payload.shape()
        m.submodules.memory = memory = Memory(shape=layout, depth=depth, init=[])
        writer, reader = memory.write_port(), memory.read_port()

        # Words written beyond the end of the current window: below 0 it is not yet whole, at
        # depth - span the memory is full. Behind the last window of a frame it may fall below
        # -span: then words that no window needs are still to come.
        steps = increments(walk.across, walk.frame)
        ahead = Signal(range(-max(walk.span, *steps), depth - walk.span + 1), init=-walk.span)
        write, read, whole, step = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(ahead != depth - walk.span),
            write.eq(self.i.valid & self.i.ready),
            whole.eq(~ahead[-1]),
            step.eq(self.o.ready | ~self.o.valid),
            read.eq(step & whole),
        ]

        loops = walk.inside + walk.across
        nest = LoopNest(m, [count for count, _ in loops], read)
        release = nest.choose([0] * len(walk.inside) + [-s for s in steps])
        m.d.sync += ahead.eq(ahead + Mux(read, release, 0) + write)

        m.d.comb += [writer.en.eq(write), writer.data.eq(self.i.payload)]
        with m.If(write):
            m.d.sync += writer.addr.eq(_wrapped(writer.addr, Const(1), Const(1 - depth), depth))
        moves = [gain % depth for gain in _moves(walk)]
        onward, around = nest.choose(moves), nest.choose([move - depth for move in moves])
        m.d.comb += reader.en.eq(read)
        with m.If(read):
            m.d.sync += reader.addr.eq(_wrapped(reader.addr, onward, around, depth))

        # The memory's own output register is the output register.
        valid = Signal()
        with m.If(step):
            m.d.sync += valid.eq(whole)
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.eq(reader.data)]
        return m


def _moves(walk: WindowWalk) -> list[int]:
    """How far the read address moves when each loop, inside windows and across them, advances."""
    end_of_window = sum((count - 1) * stride for count, stride in walk.inside)
    across = increments(walk.across, walk.frame)
    return increments(walk.inside, 0)[:-1] + [step - end_of_window for step in across]


def _wrapped(address: Value, onward: Value, around: Value, depth: int) -> Value:
    """``(address + onward) % depth``, where ``around`` is ``onward - depth``."""
    if depth & (depth - 1) == 0:
        return (address + onward)[: len(address)]
    wrapped = address + around
    return Mux(wrapped < 0, address + onward, wrapped)
