"""A staircase per channel, all channels side by side: what each costs follows from its own steps."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import add_tree
from hwgen.hw.staircase import Staircase


class ParallelStaircase(Staircase):
    """LANES is the number of channels, so that every threshold is a constant.

    Where the steps of a channel are equally far apart, by a power of two, a shift replaces the
    comparators: ``clip((x + b) >> s, 0, J)``, and the addition is a carry out of the bits below
    the shift into those above.
    """

    @staticmethod
    def depth_of(steps: int) -> int:  # noqa: ARG004  (the same for any number)
        return 1

    def elaborate(self, platform):
        m = Module()
        assert self.lanes == self.channels
        step = Signal()
        m.d.comb += [step.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(step)]
        with m.If(step):
            m.d.sync += self.o.valid.eq(self.i.valid)
        rows = np.broadcast_to(self.thresholds, (self.lanes, self.steps))
        counts = [
            steps_reached(m, x, row, self.x_range)
            for x, row in zip(self.i.payload, rows, strict=True)
        ]
        outputs = self.outputs(counts, Const(0, 1))
        for y, result in zip(self.o.payload, outputs, strict=True):
            with m.If(step):
                m.d.sync += y.eq(result)
        return m


def steps_reached(m: Module, x: Value, row: np.ndarray, x_range: IntRange) -> Value:
    """How many of the constants ``row``, which do not fall, x reaches."""
    always = int((row <= x_range.lo).sum())
    row = row[(row > x_range.lo) & (row <= x_range.hi)]
    if not len(row):
        return Const(always)
    shift = spacing(row)
    if shift is None:
        return always + add_tree([x >= int(t) for t in row], None)
    offset = (1 << shift) - int(row[0])  # the count is clip((x + offset) >> shift, 0, J)
    carry = Signal(name="carry")
    below = -offset & ((1 << shift) - 1)  # what the low bits must reach
    if below:
        m.d.comb += carry.eq(x[:shift] >= below)
    high = x[shift:].as_signed() if x_range.signed else x[shift:]
    total = high + (offset >> shift) + carry  # rounded down: the rest is what ``below`` stands for
    count = Mux(total < 0, 0, Mux(total > len(row), len(row), total))
    return always + count[: len(row).bit_length()]


def spacing(row: np.ndarray) -> int | None:
    """``s`` where neighbours in ``row`` are ``2**s`` apart; None where they are not."""
    gaps = np.unique(np.diff(row))
    if len(gaps) > 1:
        return None
    gap = int(gaps[0]) if len(gaps) else 1
    return gap.bit_length() - 1 if gap > 0 and not gap & (gap - 1) else None


def staircase_luts(row: np.ndarray, x_range: IntRange, y_bits: int) -> float:
    """LUTs that :func:`steps_reached` takes: 0.3 per bit of a comparator, or those of shift and clip."""
    row = row[(row > x_range.lo) & (row <= x_range.hi)]
    if len(row) < 2 or spacing(row) is None:
        return len(row) * (0.3 * x_range.width + 1)
    return y_bits + 2.5
