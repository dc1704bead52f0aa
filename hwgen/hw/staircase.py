"""What the threshold circuits share: one staircase function per channel, LANES at a time."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import words


class Staircase(Component):
    """``y = base + #{j : x >= thresholds[c, j]}``, or ``base + J - #{...}`` in falling channels.

    Channels arrive LANES at a time, again and again from channel 0.

    Parameters
    ----------
    x_range, y_range : ranges of inputs and outputs.
    thresholds : int array ``(C, J)``, or ``(1, J)`` for all channels alike; LANES divides C.
    base : int.     falling : 0 or 1 per row of thresholds.
    channels : C.   name : names the tables' files.

    Members
    -------
    i : In(words(LANES, x_range))     o : Out(words(LANES, y_range))

    Timing
    ------
    interval = 1 cycle per beat; latency of a beat = ``depth`` cycles.
    """

    def __init__(self, x_range: IntRange, y_range: IntRange, thresholds: np.ndarray, *,
                 channels: int, lanes: int, base: int = 0, falling: np.ndarray | None = None,
                 name: str = "thresholds"):  # fmt: skip
        if channels % lanes or len(thresholds) not in (1, channels):
            raise ValueError(f"LANES must divide {channels}, not {lanes}")
        self.x_range, self.y_range, self.base = x_range, y_range, base
        # A threshold beyond the range is as good as one just outside it, and narrower.
        self.thresholds = np.clip(thresholds, x_range.lo, x_range.hi + 1)
        self.channels, self.lanes, self.name = channels, lanes, name
        self.falling = np.zeros(len(thresholds), int) if falling is None else np.asarray(falling)
        super().__init__({"i": In(words(lanes, x_range)), "o": Out(words(lanes, y_range))})

    @staticmethod
    def depth_of(steps: int) -> int:
        """Cycles from a beat in to the same beat out, for ``steps`` thresholds per channel."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        return self.depth_of(self.steps)

    @property
    def steps(self) -> int:
        """Thresholds per channel, J."""
        return self.thresholds.shape[1]

    @property
    def groups(self) -> int:
        """Beats after which the thresholds repeat."""
        uniform = len(self.thresholds) == 1
        return 1 if uniform else self.channels // self.lanes

    def by_lane(self, rows: np.ndarray) -> np.ndarray:
        """A table with a row per channel as ``(LANES, groups, ...)``."""
        full = np.broadcast_to(rows, (self.lanes, *rows.shape[1:])) if len(rows) == 1 else rows
        return full.reshape(self.groups, self.lanes, *rows.shape[1:]).swapaxes(0, 1)

    def group_counter(self, m: Module, advance: Value) -> Signal:
        """Which group of channels the beat at the input belongs to."""
        group = Signal(range(self.groups))
        if self.groups > 1:
            with m.If(advance):
                m.d.sync += group.eq(Mux(group == self.groups - 1, 0, group + 1))
        return group

    def outputs(self, counts: list[Value], group: Value) -> list[Value]:
        """Counts of thresholds reached as outputs, for the channels of ``group``."""
        results: list[Value] = []
        for count, flags in zip(counts, self.by_lane(self.falling[:, None]), strict=True):
            rising, falling = self.base + count, self.base + self.steps - count
            pattern = sum(int(flag) << g for g, flag in enumerate(flags[:, 0]))
            if pattern == 0:
                results.append(rising)
            elif flags.all():
                results.append(falling)
            else:
                falls = Const(pattern, len(flags)).bit_select(group, 1)
                results.append(Mux(falls, falling, rising))
        return results
