"""Staircase functions per channel: every activation, scale, bias and normalisation in one op."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.comparator_bank import ComparatorBank
from hwgen.hw.dsp_layout import PORTS, Port
from hwgen.hw.function_table import FunctionTable
from hwgen.hw.line_plan import LinePlan
from hwgen.hw.lines import Lines
from hwgen.hw.multiply_shift import MultiplyShift
from hwgen.hw.parallel_staircase import ParallelStaircase, staircase_luts
from hwgen.hw.staircase import Staircase
from hwgen.hw.threshold_search import ThresholdSearch
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, divisors, streaming
from hwgen.lowering.affine import Stairs, equals, fit, segments_needed
from hwgen.lowering.cost import register_bits, search_cost, table_cost

LARGEST_TABLE = 1 << 12  # inputs up to which a table of all outputs is considered


@dataclass(frozen=True, eq=False)
class Threshold(Op):
    """``y = base + #{j : x >= thresholds[c, j]}``, or for falling channels ``base + J - #{...}``.

    ``thresholds`` is int64 ``(C, J)`` or ``(1, J)`` for all channels alike, rows not falling.
    Equal thresholds make steps greater than one. ``falling`` has one 0 or 1 per row.
    """

    thresholds: np.ndarray
    base: int = 0
    falling: np.ndarray | tuple[int, ...] = ()

    def __post_init__(self) -> None:
        table = frozen_array(self.thresholds)
        falling = frozen_array(self.falling if len(self.falling) else np.zeros(len(table)))
        object.__setattr__(self, "thresholds", table)
        object.__setattr__(self, "falling", falling)
        if table.ndim != 2 or (np.diff(table, axis=1) < 0).any():
            raise ValueError("thresholds must be (C, J) with rows that do not fall")
        if falling.shape != (len(table),) or not np.isin(falling, (0, 1)).all():
            raise ValueError("falling must hold a 0 or 1 per row of thresholds")

    @property
    def steps(self) -> int:
        return self.thresholds.shape[1]

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(self.thresholds) not in (1, x0.channels):
            raise ValueError(f"input has {x0.channels} channels, thresholds {len(self.thresholds)}")
        ends = np.array([[x0.range.lo], [x0.range.hi]])
        y = self._apply(np.repeat(ends, len(self.thresholds), axis=1))
        return TensorType(x0.shape, IntRange.of_array(y))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return self._apply(x[0])

    def _apply(self, x: np.ndarray) -> np.ndarray:
        """Elementwise, ``(..., C)``; one search per channel, no temporary of C * J."""
        flat = x.reshape(-1, x.shape[-1])
        if len(self.thresholds) == 1:
            count = np.searchsorted(self.thresholds[0], flat, side="right")
        else:
            count = np.empty(flat.shape, np.int64)
            for c, row in enumerate(self.thresholds):
                count[:, c] = np.searchsorted(row, flat[:, c], side="right")
        y = self.base + np.where(self.falling, self.steps - count, count)
        return y.astype(np.int64).reshape(x.shape)


class _Staircase(Lowering):
    """PE channels at a time, one beat per cycle."""

    def foldings(self, op: Threshold, *x: TensorType) -> Iterator[Folding]:
        yield from (Folding(pe) for pe in divisors(x[0].channels))

    def lanes(self, op: Threshold, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.pe,), folding.pe

    @abstractmethod
    def depth(self, op: Threshold, folding: Folding, *x: TensorType) -> int:
        """Cycles from a beat in to the same beat out."""

    def actor(self, op: Threshold, folding: Folding, *x: TensorType) -> Actor:
        return streaming(x[0].size // folding.pe, self.depth(op, folding, *x))

    def stated(self, op: Threshold, folding: Folding, *x: TensorType, lut: float, ff: float,
               bram: float = 0.0, dsp: int = 0) -> Cost:  # fmt: skip
        """A cost: one beat per cycle through the circuit's depth."""
        beats = x[0].size // folding.pe
        latency = beats - 1 + self.depth(op, folding, *x)
        return Cost(round(lut), round(ff), bram, dsp, beats, latency)

    @staticmethod
    def groups(op: Threshold, folding: Folding, *x: TensorType) -> int:
        """Beats after which the tables repeat."""
        return 1 if len(op.thresholds) == 1 else x[0].channels // folding.pe


class _Comparing(_Staircase):
    """Thresholds are stored, and compared with x."""

    circuit: ClassVar[type[Staircase]]

    def build(self, op: Threshold, folding: Folding, *x: TensorType) -> Staircase:
        return self.circuit(
            x[0].range, op.infer(*x).range, op.thresholds, channels=x[0].channels,
            lanes=folding.pe, base=op.base, falling=np.asarray(op.falling),
        )  # fmt: skip

    def depth(self, op: Threshold, folding: Folding, *x: TensorType) -> int:
        return self.circuit.depth_of(op.steps)


class ThresholdComparators(_Comparing):
    """One comparator per step and lane."""

    op, name, circuit = Threshold, "comparators", ComparatorBank

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        pe, width, y = folding.pe, x[0].range.width, op.infer(*x).range
        groups = self.groups(op, folding, *x)
        constant = 0.3 if groups == 1 else 0.6  # a comparison with a constant is half a carry chain
        rom_lut, bram = table_cost(pe * op.steps * width, groups) if groups > 1 else (0, 0.0)
        lut = pe * (op.steps * constant * width + op.steps) + rom_lut + 4
        ff = register_bits(pe, x[0].range) + register_bits(pe, y) + 8
        return self.stated(op, folding, *x, lut=lut, ff=ff, bram=bram)


class ThresholdBySearch(_Comparing):
    """One comparator per bit of the count and lane."""

    op, name, circuit = Threshold, "search", ThresholdSearch

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        pe, width, y = folding.pe, x[0].range.width, op.infer(*x).range
        bits = max(op.steps.bit_length(), 1)
        lut, ff, bram = search_cost(width, bits, self.groups(op, folding, *x))
        return self.stated(op, folding, *x, lut=pe * lut + 4, ff=pe * ff + register_bits(pe, y),
                           bram=pe * bram)  # fmt: skip


class ThresholdUnrolled(_Comparing):
    """All channels side by side, each by its own constants."""

    op, name, circuit, unrolled = Threshold, "unrolled", ParallelStaircase, True

    def foldings(self, op: Threshold, *x: TensorType) -> Iterator[Folding]:
        yield Folding(x[0].channels)

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        pe, y = folding.pe, op.infer(*x).range
        rows = np.broadcast_to(op.thresholds, (pe, op.steps))
        lut = sum(staircase_luts(row, x[0].range, y.width) for row in rows)
        return self.stated(op, folding, *x, lut=lut + 2, ff=register_bits(pe, y) + 1)


class ThresholdByTable(_Staircase):
    """A memory that holds the output of every input; for narrow inputs."""

    op, name = Threshold, "table"

    def applies(self, op: Threshold, *x: TensorType) -> bool:
        return x[0].range.size <= LARGEST_TABLE

    def build(self, op: Threshold, folding: Folding, *x: TensorType) -> FunctionTable:
        every = np.arange(x[0].range.lo, x[0].range.hi + 1)[:, None]
        table = op.reference(np.broadcast_to(every, (len(every), len(op.thresholds)))).T
        return FunctionTable(x[0].range, op.infer(*x).range, table, folding.pe)

    def depth(self, op: Threshold, folding: Folding, *x: TensorType) -> int:
        return 1

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        address = self.groups(op, folding, *x) << (x[0].range.size - 1).bit_length()
        lut, bram = table_cost(op.infer(*x).range.width, address)
        return self.stated(op, folding, *x, lut=folding.pe * lut + 10, ff=12,
                           bram=folding.pe * bram)  # fmt: skip


class _ByLines(_Staircase):
    """Multiplication and shift, where a certificate shows that they give the same integers."""

    segments: ClassVar[int]

    def __init__(self, port: Port | None = None):
        self.port = port
        self.name = f"lines{self.segments}" if self.segments > 1 else "line"
        if port:
            self.name += f"_{port.name}"

    def in_dsps(self, port: str) -> Iterator[Lowering]:
        yield type(self)(PORTS[port])

    def applies(self, op: Threshold, *x: TensorType) -> bool:
        if segments_of(op, x[0].range) != self.segments:  # where fewer do, they are cheaper
            return False
        if self.segments > 1 and op.steps < 4 * self.segments - 1:
            return False
        lines = lines_of(op, x[0].range, self.segments)
        return lines is not None and (self.port is None or self.fits(lines, self.port))

    @staticmethod
    def fits(lines: Lines, port: Port) -> bool:
        """Whether one DSP multiplies, and something is there to multiply with."""
        sides = lines.bits, int(lines.m.max()).bit_length()
        narrow, wide = sorted(side + port.signed_only for side in sides)
        several = bool((lines.m != lines.m.flat[0]).any())
        return several and narrow <= port.b_bits and wide <= port.a_bits

    def build(self, op: Threshold, folding: Folding, *x: TensorType) -> MultiplyShift:
        lines = lines_of(op, x[0].range, self.segments)
        assert lines is not None
        return MultiplyShift(x[0].range, op.infer(*x).range, lines, channels=x[0].channels,
                             lanes=folding.pe, in_dsp=self.port is not None)  # fmt: skip

    def plan(self, op: Threshold, folding: Folding, *x: TensorType) -> LinePlan:
        lines = lines_of(op, x[0].range, self.segments)
        assert lines is not None
        return LinePlan(lines, x[0].channels, folding.pe, self.port is not None)

    def depth(self, op: Threshold, folding: Folding, *x: TensorType) -> int:
        return self.plan(op, folding, *x).depth

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        plan, pe, y = self.plan(op, folding, *x), folding.pe, op.infer(*x).range
        groups, width, lines = plan.groups, x[0].range.width, plan.lines
        lut, ff, bram = search_cost(width, plan.search, groups)
        memories = plan.memories()
        roms = [table_cost(*memory) for memory in memories]
        adders = width + 2 + (y.width + 1) * (1 + bool(lines.first.any()))
        ff += (plan.depth - 1) * (lines.bits + 4 + y.width)
        stored = sum(width for width, _ in memories)
        rows = 0 if self.port else sum(rows.luts for rows in plan.rows)
        lut = pe * (lut + adders) + rows + 4
        return self.stated(
            op, folding, *x, lut=lut + sum(lut for lut, _ in roms),
            ff=pe * ff + stored + register_bits(pe, y),
            bram=pe * bram + sum(bram for _, bram in roms), dsp=pe if self.port else 0,
        )  # fmt: skip


class ThresholdByLine(_ByLines):
    """One line per channel."""

    op, segments = Threshold, 1


class ThresholdByTwoLines(_ByLines):
    op, segments = Threshold, 2


class ThresholdByFourLines(_ByLines):
    op, segments = Threshold, 4


class ThresholdByEightLines(_ByLines):
    op, segments = Threshold, 8


@lru_cache(maxsize=256)
def segments_of(op: Threshold, x: IntRange) -> int | None:
    """The fewest segments, a power of two, of lines that equal ``op``; None where there are none."""
    needed = segments_needed(_stairs(op, x))
    return 1 if needed != 1 and lines_of(op, x, 1) is not None else needed


@lru_cache(maxsize=256)
def lines_of(op: Threshold, x: IntRange, segments: int) -> Lines | None:
    """Lines that equal ``op`` for every integer of ``x``, checked, or None."""
    stairs = _stairs(op, x)
    if segments == 1:
        odd = 1 - (op.infer(TensorType((len(op.thresholds),), x)).range.lo & 1)
        tries = (fit(stairs, even=even) for even in (None, odd))
        lines = next((found for found in tries if found is not None), None)
    else:
        lines = fit(stairs, segments)
    assert lines is None or equals(lines, stairs)
    return lines


def _stairs(op: Threshold, x: IntRange) -> Stairs:
    y = op.infer(TensorType((len(op.thresholds),), x)).range
    return Stairs.of(op.thresholds, op.base, np.asarray(op.falling), x, y)
