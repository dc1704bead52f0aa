"""Products with one factor of several: rows of an adder each, selected by digits of that factor.

A factor that never changes is written in canonical signed digits. One of several is written in radix
4 with digits -1, 0, 1 and 2, two bits each: a bit of a row depends on two neighbouring bits of x and
on the digit, and with a bit of what was added before that fits one LUT beside a carry chain.
Rows are added from the lowest digit on; bits below the next digit are final and drop out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np
from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value

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
    total = Signal(element(row.total), name="chain")
    before = dropped(before, row.unit - unit)
    zeros = Const(0, row.place - row.unit)
    if digit is None:
        multiple = Cat(zeros, x)
        m.d.comb += total.eq(before + multiple if row.digits[0] > 0 else before - multiple)
        return total
    most, least = int(row.digits.max()), int(row.digits.min())
    selected = Signal(Shape(len(x) + (most > 1) + (least < 0), least < 0), name="selected")
    choices = ((1, x), (2, x << 1), (3, ~x))
    bits = [
        value[: len(selected)] if k < 3 else Cat(value, Const(-1, len(selected)))[: len(selected)]
        for k, value in choices
    ]
    picked = [
        b & (digit == k).replicate(len(selected))
        for (k, _), b in zip(choices, bits, strict=True)
        if k - 4 * (k == 3) in range(least, most + 1)
    ]
    m.d.comb += selected.eq(reduce(or_, picked))
    multiple = Cat(zeros, selected).as_signed() if least < 0 else Cat(zeros, selected)
    # The narrower operand enters the chain beside the LUTs (yosys puts it first), so that what was
    # added before is cut to less than the width of the multiple; few bits are left above.
    low = len(multiple) - 1
    if len(before) <= low:
        m.d.comb += total.eq(before + multiple)
        return total
    lower = Signal(Shape(low + 2, least < 0), name="chain")
    m.d.comb += lower.eq(before[:low] + multiple)
    upper = dropped(before, low) + dropped(lower, low)
    whole = Cat(lower[:low], upper)
    m.d.comb += total.eq(whole.as_signed() if upper.shape().signed else whole)
    return total


def dropped(value: Value, bits: int) -> Value:
    """``value >> bits``, and no wider than that."""
    if bits >= len(value):
        return value[-1].as_signed() if value.shape().signed else Const(0, 1)
    return value[bits:].as_signed() if value.shape().signed else value[bits:]
