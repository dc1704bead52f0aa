"""Exact integer ranges. Every edge of a graph carries one; bit widths are derived from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, order=True, slots=True)
class IntRange:
    """All integers ``lo <= v <= hi``.

    The range is the type: it is the tightest bound that inference can prove, so the width
    derived from it is the smallest two's-complement (or unsigned) width that never overflows.
    """

    lo: int
    hi: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "lo", int(self.lo))
        object.__setattr__(self, "hi", int(self.hi))
        if self.lo > self.hi:
            raise ValueError(f"range must have lo <= hi, not {self.lo}..{self.hi}")

    @classmethod
    def of_bits(cls, bits: int, *, signed: bool) -> IntRange:
        """The full range of a ``bits``-wide integer; ``bits`` must be at least 1."""
        if bits < 1:
            raise ValueError(f"bits must be at least 1, not {bits}")
        return cls(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else cls(0, (1 << bits) - 1)

    @classmethod
    def of_array(cls, values: np.ndarray | Iterable[int]) -> IntRange:
        """The smallest range that holds every element of a non-empty integer array."""
        array = np.asarray(values)
        return cls(int(array.min()), int(array.max()))

    @property
    def signed(self) -> bool:
        """Whether two's complement is needed."""
        return self.lo < 0

    @property
    def width(self) -> int:
        """Bits of the smallest two's-complement (``lo < 0``) or unsigned encoding, at least 1."""
        if self.lo < 0:
            return max((-self.lo - 1).bit_length(), max(self.hi, 0).bit_length()) + 1
        return max(self.hi.bit_length(), 1)

    @property
    def size(self) -> int:
        """How many integers the range holds."""
        return self.hi - self.lo + 1

    def __contains__(self, item: object) -> bool:
        if isinstance(item, IntRange):
            return self.lo <= item.lo and item.hi <= self.hi
        if isinstance(item, np.ndarray):
            return item.size == 0 or bool(self.lo <= item.min() and item.max() <= self.hi)
        return isinstance(item, (int, np.integer)) and self.lo <= int(item) <= self.hi

    def __or__(self, other: IntRange) -> IntRange:
        """The smallest range that holds both."""
        return IntRange(min(self.lo, other.lo), max(self.hi, other.hi))

    def __add__(self, other: IntRange) -> IntRange:
        return IntRange(self.lo + other.lo, self.hi + other.hi)

    def __neg__(self) -> IntRange:
        return IntRange(-self.hi, -self.lo)

    def __mul__(self, other: IntRange) -> IntRange:
        corners = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return IntRange(min(corners), max(corners))

    def clamp(self, other: IntRange) -> IntRange:
        """The range of ``min(max(v, other.lo), other.hi)``."""
        lo = min(max(self.lo, other.lo), other.hi)
        return IntRange(lo, max(min(self.hi, other.hi), lo))

    def __str__(self) -> str:
        return f"{self.lo}..{self.hi}"
