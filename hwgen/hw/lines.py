"""Staircases as clipped straight lines over integers: what a multiply-shift circuit computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Lines:
    """``clip(first + ((x' * m + b) >> shift), 0, top)`` with ``x' = (~x if flip else x) + c``.

    A row per channel, or one for all alike; a column per segment. Segment q of a row is that of the
    integers x with ``q = #{j : x >= breaks[row, j]}``; ``breaks`` ``(R, S - 1)`` does not fall. ``c``,
    ``m``, ``b``, ``first`` are ``(R, S)``, all but c at least 0; ``flip`` is ``(R,)`` of bool.
    The result is 0 where x' is negative, and ``top`` where it has more than ``bits`` bits.
    ``even``: None, or the lowest bit of those results that are one less where the bits shifted out
    are all 0, as when a tie is rounded to an even number.
    """

    breaks: np.ndarray
    flip: np.ndarray
    c: np.ndarray
    m: np.ndarray
    b: np.ndarray
    first: np.ndarray
    shift: int
    bits: int
    top: int
    even: int | None = None

    @property
    def segments(self) -> int:
        return self.m.shape[1]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The counts for integers ``(..., R)``, any number of channels where R is 1."""
        rows = np.broadcast_to(np.arange(len(self.m)), x.shape)
        q = (x[..., None] >= self.breaks).sum(axis=-1)
        m, b, c, first = (a[rows, q] for a in (self.m, self.b, self.c, self.first))
        inner = np.where(self.flip, ~x, x) + c
        v = inner * m + b
        k = first + (v >> self.shift)
        if self.even is not None:
            k = k - (((v & ((1 << self.shift) - 1)) == 0) & ((k & 1) == self.even))
        k = np.where(inner >> self.bits > 0, self.top, k.clip(0, self.top))
        return np.where(inner < 0, 0, k)
