"""Staircase functions per channel: every activation, scale, bias and normalisation in one op."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType


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
