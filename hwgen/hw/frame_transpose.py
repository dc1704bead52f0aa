"""The elements of a frame in another order, through a memory of two blocks."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

from hwgen.core.intrange import IntRange
from hwgen.hw.block_buffer import BlockBuffer
from hwgen.hw.loop_nest import Loop, merge
from hwgen.hw.pipeline import Pipeline
from hwgen.hw.width_converter import WidthConverter


class FrameTranspose(Pipeline):
    """Axis k of the frame that leaves is axis ``axes[k]`` of the one that enters.

    The frame is cut into blocks, as small as leading axes that stay in place allow; a word is as
    many elements as last axes that stay and both lanes allow, or one. Each block is written in
    its order and read in the other (:class:`BlockBuffer`), between two width converters. Where
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
                "block": BlockBuffer(range_, self.word, loops),
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
