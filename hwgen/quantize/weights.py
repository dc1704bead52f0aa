"""Integer codes and scales of one layer's weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.quantize.bit_allocation import allocate
from hwgen.quantize.clipping import FOR_WEIGHTS, scale_of
from hwgen.quantize.grid import Grid, weight_grid
from hwgen.quantize.statistics import Distribution
from hwgen.quantize.subtensor import partition

NOTHING = 1e-20  # the scale of a sign that should have been zero


@dataclass(frozen=True, eq=False)
class Codes:
    """``codes (outputs, n)`` times ``scale (outputs,)``, float32, as they stand in the model.

    ``bits (outputs,)`` is the width of each row, of which the widest is that of the layer.
    """

    codes: np.ndarray
    scale: np.ndarray
    bits: np.ndarray

    @property
    def width(self) -> int:
        return max(1, int(self.bits.max()))

    @property
    def rows(self) -> np.ndarray:
        """The real weights."""
        return self.codes * self.scale[:, None]


def scales(rows: np.ndarray, bits: np.ndarray, groups: np.ndarray, method: str) -> np.ndarray:
    """One scale per output, equal within a group of outputs; float32 ``(outputs,)``."""
    found = np.ones(len(rows), np.float32)
    for group in np.unique(groups):
        members = groups == group
        width = int(bits[members].max())
        values = Distribution.of(rows[members])
        if width and values.greatest > 0:
            found[members] = scale_of(FOR_WEIGHTS[method], values, weight_grid(width))
        elif width == 1:
            found[members] = NOTHING
    return found


def nearest(rows: np.ndarray, scale: np.ndarray, bits: np.ndarray) -> Codes:
    """Each weight rounded to the nearest code of its row."""
    codes = np.zeros(rows.shape)
    for width in np.unique(bits[bits > 0]):
        members = bits == width
        codes[members] = weight_grid(int(width)).codes(rows[members], scale[members, None])
    return Codes(codes.astype(np.int64), scale, bits)


def sharing(rows: np.ndarray, *, per_channel: bool, subtensor: int | None) -> np.ndarray:
    """Which group of equal scale each output belongs to."""
    if subtensor is not None:
        return partition(np.abs(rows).max(axis=1), subtensor)
    return np.arange(len(rows)) if per_channel else np.zeros(len(rows), np.int64)


def widths(rows: np.ndarray, bits: int, *, allocation: bool) -> np.ndarray:
    """Bits of each output: the same, or as ACIQ allocates them where it does, up to 4 bits."""
    if allocation and 1 < bits <= 4:
        return allocate(rows.std(axis=1), bits)
    return np.full(len(rows), bits)


def grid_of(codes: Codes) -> Grid:
    return weight_grid(codes.width)
