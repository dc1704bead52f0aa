"""Staircase functions per channel: every activation, scale, bias and normalisation in one op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.comparator_bank import ComparatorBank
from hwgen.hw.parallel_staircase import ParallelStaircase, staircase_luts
from hwgen.hw.staircase import Staircase
from hwgen.hw.threshold_search import ThresholdSearch
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, divisors, streaming
from hwgen.lowering.cost import register_bits, rom_cost


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

    circuit: ClassVar[type[Staircase]]

    def foldings(self, op: Threshold, *x: TensorType) -> Iterator[Folding]:
        yield from (Folding(pe) for pe in divisors(x[0].channels))

    def lanes(self, op: Threshold, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.pe,), folding.pe

    def build(self, op: Threshold, folding: Folding, *x: TensorType) -> Staircase:
        return self.circuit(
            x[0].range, op.infer(*x).range, op.thresholds, channels=x[0].channels,
            lanes=folding.pe, base=op.base, falling=np.asarray(op.falling),
        )  # fmt: skip

    def actor(self, op: Threshold, folding: Folding, *x: TensorType) -> Actor:
        return streaming(x[0].size // folding.pe, self.circuit.depth_of(op.steps))

    def cycles(self, op: Threshold, folding: Folding, *x: TensorType) -> tuple[int, int]:
        """(interval, latency): one beat per cycle through the circuit's depth."""
        beats = x[0].size // folding.pe
        return beats, beats - 1 + self.circuit.depth_of(op.steps)


class ThresholdComparators(_Staircase):
    """One comparator per step and lane."""

    op, name, circuit = Threshold, "comparators", ComparatorBank

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        pe, width, y = folding.pe, x[0].range.width, op.infer(*x).range
        groups = 1 if len(op.thresholds) == 1 else x[0].channels // pe
        constant = 0.3 if groups == 1 else 0.6  # a comparison with a constant is half a carry chain
        rom_lut, bram = rom_cost(pe * op.steps * width, groups) if groups > 1 else (0, 0.0)
        lut = pe * (op.steps * constant * width + op.steps) + rom_lut + 4
        ff = register_bits(pe, x[0].range) + register_bits(pe, y) + 8
        return Cost(round(lut), ff, bram, 0, *self.cycles(op, folding, *x))


class ThresholdBySearch(_Staircase):
    """One comparator per bit of the count and lane."""

    op, name, circuit = Threshold, "search", ThresholdSearch

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        pe, width, y = folding.pe, x[0].range.width, op.infer(*x).range
        groups = 1 if len(op.thresholds) == 1 else x[0].channels // pe
        bits = max(op.steps.bit_length(), 1)
        roms = [rom_cost(width, groups << stage) for stage in range(bits)]
        lut = pe * (bits * 0.6 * width + sum(lut for lut, _ in roms)) + 4
        ff = pe * bits * (2 * width + bits / 2) + register_bits(pe, y)
        bram = pe * sum(bram for _, bram in roms)
        return Cost(round(lut), round(ff), bram, 0, *self.cycles(op, folding, *x))


class ThresholdUnrolled(_Staircase):
    """All channels side by side, each by its own constants."""

    op, name, circuit, unrolled = Threshold, "unrolled", ParallelStaircase, True

    def foldings(self, op: Threshold, *x: TensorType) -> Iterator[Folding]:
        yield Folding(x[0].channels)

    def cost(self, op: Threshold, folding: Folding, *x: TensorType) -> Cost:
        pe, y = folding.pe, op.infer(*x).range
        rows = np.broadcast_to(op.thresholds, (pe, op.steps))
        lut = sum(staircase_luts(row, x[0].range, y.width) for row in rows)
        return Cost(round(lut) + 2, register_bits(pe, y) + 1, 0, 0, *self.cycles(op, folding, *x))
