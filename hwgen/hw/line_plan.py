"""What a multiply-shift circuit consists of: its adders in order, its constants, its time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.digit_rows import DigitRows
from hwgen.hw.dot_product import LEVELS_PER_STAGE
from hwgen.hw.lines import Lines

Constants = list[tuple[str, np.ndarray]]  # name, and value by row and segment of the lines


@lru_cache(maxsize=64)
def _rows_for_all(lines: Lines) -> DigitRows:
    """Rows that any of the lines may select."""
    return DigitRows.of(lines.m.ravel(), lines.b.ravel(), lines.bits, lines.shift)


@dataclass(frozen=True, eq=False)
class LinePlan:
    """Lines for so many channels, LANES at a time; with ``in_dsp``, ``x' * m + b`` in a DSP each."""

    lines: Lines
    channels: int
    lanes: int
    in_dsp: bool = False

    @property
    def groups(self) -> int:
        """Beats after which the constants repeat."""
        return 1 if len(self.lines.m) == 1 else self.channels // self.lanes

    @property
    def search(self) -> int:
        """Stages of the search for the segment."""
        return (self.lines.segments - 1).bit_length()

    @property
    def depth(self) -> int:
        """Cycles from a beat in to the same beat out."""
        return self.search + len(self.stages) + 1

    @cached_property
    def rows(self) -> list[DigitRows]:
        """The rows of each lane; lanes alike have the same object."""
        if self.groups * self.lines.segments > 1 or len(self.lines.m) == 1:
            return [_rows_for_all(self.lines)] * self.lanes
        pairs = zip(self.lines.m, self.lines.b, strict=True)
        return [DigitRows.of(m, b, self.lines.bits, self.lines.shift) for m, b in pairs]

    @cached_property
    def work(self) -> list[tuple[str, Constants]]:
        """The adders on the path of a lane: what each does, and the constants that it needs.

        The rows come between ``offset`` and ``first``; where there are none, b is taken at once.
        """
        lines, alike = self.lines, all(rows is self.rows[0] for rows in self.rows)
        flip = np.broadcast_to(lines.flip[:, None], lines.m.shape).astype(np.int64)
        work: list[tuple[str, Constants]] = [("offset", [("c", lines.c), ("flip", flip)])]
        last = [("first", [("first", lines.first)])] if lines.first.any() else []
        if self.in_dsp:
            work += [("product", [("m", lines.m)]), ("bias", [("b", lines.b)])]
            return [*work, *last, ("clip", [])]
        start = self.rows[0].offsets.reshape(lines.b.shape) if alike else lines.b
        for k in range(max(len(rows.rows) for rows in self.rows)):
            constants = [("b", start)] if k == 0 else []
            if alike and len(self.rows[0].rows[k].digits) > 1:
                digits = self.rows[0].rows[k].digits.reshape(lines.m.shape)
                constants.append((f"digit_{k}", digits & 3))
            work.append(("row", constants))
        if len(work) == 1:
            work[0][1].append(("b", lines.b))
        return [*work, *last, ("clip", [])]

    @property
    def stages(self) -> list[list[tuple[str, Constants]]]:
        """The work between two registers each; a DSP has registers of its own to be filled."""
        if self.in_dsp:
            return [*([step] for step in self.work[:3]), self.work[3:]]
        steps = range(0, len(self.work), LEVELS_PER_STAGE)
        return [self.work[t : t + LEVELS_PER_STAGE] for t in steps]

    def memories(self) -> list[tuple[int, int]]:
        """(width, depth) of the memories of constants."""
        depth = self.groups * self.lines.segments
        widths = [
            sum(
                IntRange.of_array(t).width
                for _, constants in stage for _, t in constants if (t != t.flat[0]).any()
            )
            for stage in self.stages
        ]  # fmt: skip
        if depth == 1:
            return []
        if self.lines.segments == 1:
            return [(width * self.lanes, depth) for width in widths if width]
        return [(width, depth) for width in widths if width] * self.lanes
