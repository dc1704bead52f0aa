"""Products with one factor of several: rows of an adder each, selected by digits of that factor.

A factor that never changes is written in canonical signed digits. One of several is written in radix
4 with digits -1, 0, 1 and 2, two bits each: a bit of a row depends on two neighbouring bits of x and
on the digit, and with a bit of what was added before that fits one LUT beside a carry chain.
Rows are added from the lowest digit on; bits below the next digit are final and drop out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import element


@dataclass(frozen=True, eq=False)
class Row:
    """``digits`` (n,) of n factors at ``2**place``. ``total``: the range of the sum so far, in units
    of ``2**unit``."""

    place: int
    digits: np.ndarray
    unit: int
    total: IntRange

    @property
    def constant(self) -> bool:
        return bool((self.digits == self.digits[0]).all())


@dataclass(frozen=True, eq=False)
class DigitRows:
    """``(x * m[i] + b[i]) >> shift`` for one of n pairs (m, b), none negative, and unsigned x.

    ``offsets``: what the first row is added to. It holds b, and a one for each digit -1 that is
    selected as ~x.
    """

    bits: int
    shift: int
    rows: tuple[Row, ...]
    offsets: np.ndarray

    @classmethod
    def of(cls, m: np.ndarray, b: np.ndarray, bits: int, shift: int) -> DigitRows:
        """``bits``: of x. ``m``, ``b``: int64 ``(n,)``."""
        several = bool((m != m[0]).any())
        planes = radix4(m) if several else signed_digits(int(m[0]))
        offsets = b + sum(((d < 0).astype(np.int64) << p for p, d in planes), np.zeros_like(b))
        if not several:
            offsets = b
        rows, partial, left, most = [], np.zeros_like(m), offsets.copy(), (1 << bits) - 1
        for place, digits in planes:
            partial = partial + (digits << place)
            if several:
                left = left - ((digits < 0).astype(np.int64) << place)
            unit = min(place, shift)
            ends = np.stack([left, left + partial * most]) >> unit
            rows.append(Row(place, digits, unit, IntRange.of_array(ends)))
        return cls(bits, shift, tuple(rows), offsets)

    @property
    def result(self) -> IntRange:
        """The range of the result."""
        last = self.rows[-1] if self.rows else None
        total, unit = (last.total, last.unit) if last else (IntRange.of_array(self.offsets), 0)
        return IntRange(total.lo >> (self.shift - unit), total.hi >> (self.shift - unit))

    @property
    def luts(self) -> int:
        """LUTs of the rows: a bit of a sum each; a first row with nothing to add is free."""
        free = not self.offsets.any() and bool(self.rows) and self.rows[0].constant
        return sum(max(row.total.width, 1) for row in self.rows[free:])


def radix4(m: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """(place, digits in -1, 0, 1, 2) of integers at least 0; places where all are 0 are left out."""
    rest, place, planes = m.astype(np.int64), 0, []
    while rest.any():
        digits = np.where(rest & 3 == 3, -1, rest & 3)
        if digits.any():
            planes.append((place, digits))
        rest, place = (rest - digits) >> 2, place + 2
    return planes


def signed_digits(m: int) -> list[tuple[int, np.ndarray]]:
    """(place, digit) of the canonical signed digits of an integer at least 0, lowest first."""
    place, planes = 0, []
    while m:
        if m & 1:
            digit = 2 - (m & 3)
            planes.append((place, np.array([digit])))
            m -= digit
        m, place = m >> 1, place + 1
    return planes


def add_row(m: Module, row: Row, before: Value, unit: int, x: Value, digit: Value | None) -> Value:
    """``before``, in units of ``2**unit``, and the row's multiple of x, in units of its own.

    ``digit``: its two bits, or None for a constant row.
    """
    # The operand whose name comes first enters the chain beside the LUTs; yosys sorts them.
    total = Signal(element(row.total), name="chain")
    before = before >> (row.unit - unit)
    shift = row.place - row.unit
    if digit is None:
        multiple = x << shift
        m.d.comb += total.eq(before + multiple if row.digits[0] > 0 else before - multiple)
        return total
    width = len(x) + 2
    one, two, minus = (digit == code for code in (1, 2, 3))
    wide = Signal(width, name="wide")
    selected = Signal(width, name="selected")
    m.d.comb += wide.eq(x)
    m.d.comb += selected.eq(
        (wide & one.replicate(width)) | ((wide << 1)[:width] & two.replicate(width))
        | (~wide & minus.replicate(width))
    )  # fmt: skip
    m.d.comb += total.eq(before + (selected.as_signed() << shift))
    return total
