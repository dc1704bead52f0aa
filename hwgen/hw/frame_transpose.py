"""The elements of a whole frame in another order, through a memory of two frames."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from hwgen.core.intrange import IntRange
from hwgen.hw.loop_nest import LoopNest, increments, merge
from hwgen.hw.stream import words
from hwgen.hw.width_converter import WidthConverter


class FrameTranspose(wiring.Component):
    """Axis k of what leaves is axis ``axes[k]`` of what enters.

    One block is written while the block before is read in the other order. A block is a frame,
    or less: leading axes that stay where they are only repeat it. Words of the memory are as many
    elements as stay side by side: one where the last axis moves, else what both lanes share.

    Parameters
    ----------
    range_ : range of the elements.
    shape : of the frame that enters.
    axes : a permutation of its axes.
    lanes_in, lanes_out : divisors of a block's elements.

    Members
    -------
    i : In(words(lanes_in, range_))     o : Out(words(lanes_out, range_))

    Timing
    ------
    in memory words, F to a frame and B to a block, with n_in words to an input beat:
    interval = F
    latency = F + B - (n_in - 1) + (1 where lanes_out is more than a word)
    Where the order stays, no memory is left: those of a :class:`WidthConverter`.
    """
