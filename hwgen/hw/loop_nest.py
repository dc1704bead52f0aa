"""Counters of nested loops, and the constant by which an index moves when they step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value

Loop = tuple[int, int]  # (count, stride): iterations, and what one of them adds to the index


def merge(loops: Sequence[Loop]) -> list[Loop]:
    """The same indices in the same order from fewer loops, innermost first.

    Loops of one iteration vanish; a loop that goes on where the inner one ends joins it.
    """
    merged: list[Loop] = []
    for count, stride in loops:
        if count == 1:
            continue
        if merged and stride == merged[-1][0] * merged[-1][1]:
            count, stride = count * merged[-1][0], merged.pop()[1]
        merged.append((count, stride))
    return merged


def increments(loops: Sequence[Loop], period: int) -> list[int]:
    """What the index gains when loop k advances, the inner ones starting anew.

    The last entry is for all loops at their end: the next pass begins ``period`` further on.
    """
    gains, inner = [], 0
    for count, stride in loops:
        gains.append(stride - inner)
        inner += (count - 1) * stride
    return [*gains, period - inner]


def indices(loops: Sequence[Loop]) -> np.ndarray:
    """The index in every iteration, in order: int64, one per iteration."""
    index = np.zeros(1, np.int64)
    for count, stride in loops:
        index = (np.arange(count)[:, None] * stride + index).ravel()
    return index


def rising(loops: Sequence[Loop], first: int, frame: int) -> np.ndarray:
    """The indices from ``first`` on. Raises ValueError unless they rise within ``frame`` words."""
    index = first + indices(loops)
    if not (first >= 0 and (np.diff(index) > 0).all() and index[-1] < frame):
        raise ValueError(f"loops {loops!r} from {first!r} must rise within {frame} words")
    return index


class LoopNest:
    """Counters for ``counts`` iterations, innermost first, that advance when ``step`` is high.

    ``ends[k]``: loops 0..k are all in their last iteration; ``end``: all loops are. Adds its logic
    to ``m``.
    """

    def __init__(self, m: Module, counts: Sequence[int], step: Value) -> None:
        self.ends: list[Value] = []
        inner: Value = Const(1)
        for k, count in enumerate(counts):
            counter = Signal(range(count), name=f"loop{k}")
            last = counter == count - 1
            with m.If(step & inner):
                m.d.sync += counter.eq(Mux(last, 0, counter + 1))
            inner = inner & last
            self.ends.append(inner)
        self.end = inner

    def choose(self, values: Sequence[int]) -> Value:
        """``values[k]`` when loop k is the one to advance, the last one when all begin anew."""
        choice: Value = Const(values[0])
        for end, value in zip(self.ends, values[1:], strict=True):
            choice = Mux(end, value, choice)
        return choice
