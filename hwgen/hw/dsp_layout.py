"""How the weights of several rows share one wide multiplication with the same x, exactly.

The wide operand holds one weight per lane, some bits apart, so that its product with x is the sum
of the lanes' products at those positions: fields. Three devices make them exact and dense.

* Lower lanes hold ``w + off``, unsigned, ``off`` half the range of w; only the top lane is signed.
  No lane borrows from another, and the port's sign bit carries weight.
* The post-adder, where there is one, adds ``off * (max(x) - x)`` to each lower field (wiring and
  inverters), so that a field is the wanted sum plus a constant, and never negative. Without one,
  the sum of x is subtracted from each row at the end.
* Fields may overlap by a few bits. The lowest bits of a product follow from the lowest bits of its
  factors, beside the DSP: one LUT each. The post-adder adds what makes the lowest bits of a field
  zero, so that the field below shows its highest bits in their place; what was added rides along
  in the unused top of the result. Without a post-adder, an XOR finds the one bit.

With a post-adder, several DSPs add up their products before anything leaves (a chain): fields then
hold sums. docs/dsp.md has the limits for each pair of widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from amaranth.hdl import Shape

from hwgen.core.intrange import IntRange

LONGEST_CHAIN = 4  # DSPs that add onto one another between two registers
MOST_SHARED = 2  # positions that two fields may share
RESULT_BITS = 48  # of a DSP with a post-adder


@dataclass(frozen=True, slots=True)
class Port:
    """The multiplier of a DSP: A of ``a_bits`` (the wide side) by B of ``b_bits``.

    ``signed_only``: unsigned operands lose a bit. ``post_adder``: it can add another word, and its
    tools find that from ``a * b + c``.
    """

    name: str
    a_bits: int
    b_bits: int
    signed_only: bool
    post_adder: bool


# yosys packs nothing but the multiplication into a DSP48E2 (0.70), so its port claims no more.
PORTS = {
    port.name: port
    for port in (
        Port("dsp48e1", 25, 18, signed_only=True, post_adder=True),
        Port("dsp48e2", 27, 18, signed_only=True, post_adder=False),
        Port("mult18x18", 18, 18, signed_only=False, post_adder=False),
    )
}


@dataclass(frozen=True, slots=True)
class Packing:
    """DSPs of one kind with at most ``rows`` rows of weights in each; as many as fit, where None."""

    port: Port
    rows: int | None = None

    @property
    def name(self) -> str:
        """Such as ``dsp48e1x4``."""
        return f"{self.port.name}x{self.rows or ''}"


@dataclass(frozen=True, slots=True)
class Weights:
    """What a run-time weight may be: ``bits`` of two's complement, or unsigned, in ``range``."""

    range: IntRange
    bits: int

    @classmethod
    def of(cls, weight: np.ndarray) -> Weights:
        range_ = IntRange.of_array(weight)
        return cls(range_, range_.width)

    @property
    def off(self) -> int:
        """What a lower lane adds to its weight, which makes it unsigned."""
        return 1 << (self.bits - 1) if self.range.lo < 0 else 0


@dataclass(frozen=True, slots=True)
class Field:
    """Where a lane's result stands: ``width`` bits from ``low`` up, two's complement if ``signed``,
    holding ``sum(w * x) + bias``, or without a post-adder ``sum((w + off) * x)``.

    ``shared``: so many of the highest bits of the field below stand where the lowest of this do.
    """

    low: int
    width: int
    bias: int
    signed: bool
    shared: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Lanes of one DSP, the top one last, in a chain of ``chain`` of them.

    ``low_constant``, ``top_constant``: what the post-adder adds to lower fields and the top one
    beside ``sum(off * (max(x) - x))``. Of that sum, bits from ``cut`` up would reach into the next
    field: they ride along too, ``spilled`` of them.
    """

    fields: tuple[Field, ...]
    chain: int
    low_constant: int = 0
    top_constant: int = 0
    cut: int = 0
    spilled: int = 0

    @property
    def riders(self) -> int:
        """The position above all fields, where what is known beside the DSP rides along."""
        return self.fields[-1].low + self.fields[-1].width

    @property
    def bits(self) -> int:
        """Bits of the result that are used."""
        return self.riders + sum(field.shared for field in self.fields) + self.spilled

    @property
    def luts(self) -> float:
        """An estimate of the LUTs before and after the chain, those that add up rows included."""
        lower = len(self.fields) - 1
        heap = sum(field.width for field in self.fields) + lower * self.spilled
        single, double = (sum(f.shared == k for f in self.fields) for k in (1, 2))
        n = self.chain
        return LUTS_PER_BIT * heap + single * -(-(2 * n - 1) // 5) + double * max(3 * n - 2, 2)


LUTS_PER_BIT = 1.1  # LUT cells that take a bit of a field into the sum of its row


def x_range(x: Shape) -> IntRange:
    return IntRange.of_bits(x.width, signed=x.signed)


def usable(port: Port, weights: Weights, x: Shape) -> int:
    """Bits of the wide operand that lanes may take; a signed top lane takes the sign as well."""
    return port.a_bits - ((port.signed_only or x.signed) and not weights.off)


def fits(port: Port, weights: Weights, x: Shape) -> bool:
    """Whether there is a layout at all: both at least 2 bits (less is an AND), and not too wide."""
    b_bits = x.width + (not x.signed and (port.signed_only or weights.off > 0))
    wide = weights.bits <= usable(port, weights, x) and b_bits <= port.b_bits
    return (
        wide and weights.bits >= 2 and x.width >= 2 and layout(port, weights, x, 1, 1) is not None
    )


@lru_cache(maxsize=4096)
def layout(port: Port, weights: Weights, x: Shape, lanes: int, chain: int) -> Layout | None:
    """The layout of ``lanes`` lanes, each the sum of ``chain`` products, or None: it does not fit.

    Exact for every weight in range and every x of its shape, since a field with its bias lies in
    0 .. 2**width - 1 (without a post-adder, in the range of ``width`` bits that includes what it
    borrows or takes over), and since of the fields that share positions one is known there.
    """
    make = _with_post_adder if port.post_adder else _without
    return make(usable(port, weights, x) - weights.bits, weights, x_range(x), lanes, chain)


def _with_post_adder(room: int, weights: Weights, x: IntRange, lanes: int,
                     chain: int) -> Layout | None:  # fmt: skip
    """``room``: the highest position that the top lane may have."""
    one, off = weights.range * x, weights.off
    deepest = min(MOST_SHARED, off.bit_length() - 1 if off else MOST_SHARED)
    unit = 1 << MOST_SHARED  # constants leave the lowest bits alone
    low_extra = -(-max(0, -chain * (one.lo + off * x.hi)) // unit) * unit
    top_extra = -(-max(0, -chain * one.lo) // unit) * unit
    low_bias = chain * off * x.hi + low_extra
    width, top_width = (
        (chain * one.hi + bias + (1 << deepest) - 1).bit_length() for bias in (low_bias, top_extra)
    )
    shared = _overlaps(lanes, width, room)
    if shared is None or max(shared) > deepest:
        return None
    cut = width - max(shared)
    added = (chain * off * (x.hi - x.lo) + low_extra).bit_length()
    spilled = max(0, added - cut) if lanes > 1 else 0
    if spilled and x.lo < 0:  # the field might be negative without the bits that are cut off
        return None
    fields = _fields(shared, (width, low_bias, False), (top_width, top_extra, False))
    found = Layout(fields, chain, low_extra, top_extra, cut, spilled)
    return found if found.bits < RESULT_BITS else None


def _without(room: int, weights: Weights, x: IntRange, lanes: int, chain: int) -> Layout | None:
    borrow = x.lo < 0  # a field lends to the one below, or takes its highest bit over
    low = IntRange(weights.range.lo + weights.off, weights.range.hi + weights.off) * x
    low, top = (
        IntRange(r.lo - borrow, r.hi + (not borrow)) for r in (low, weights.range * x)
    )  # fmt: skip
    shared = _overlaps(lanes, low.width, room)
    if chain > 1 or shared is None or max(shared) > (not borrow):
        return None
    return Layout(_fields(shared, (low.width, 0, low.signed), (top.width, 0, top.signed)), chain)


def _overlaps(lanes: int, width: int, room: int) -> list[int] | None:
    """How many positions each lane shares with the one below: few, and the upper ones more."""
    if room < 0:
        return None
    total = max(0, (lanes - 1) * width - room)
    steps = max(lanes - 1, 1)
    return [0] + [(total + k) // steps for k in range(lanes - 1)]


def _fields(shared: list[int], lower: tuple[int, int, bool],
            top: tuple[int, int, bool]) -> tuple[Field, ...]:  # fmt: skip
    fields, low = [], 0
    for lane, common in enumerate(shared):
        width, bias, is_signed = top if lane == len(shared) - 1 else lower
        fields.append(Field(low - common, width, bias, is_signed, common))
        low += width - common
    return tuple(fields)


@lru_cache(maxsize=4096)
def most_lanes(port: Port, weights: Weights, x: Shape) -> int:
    """Lanes that one DSP can hold: multiply-accumulates per DSP and cycle."""
    lanes = 1
    while layout(port, weights, x, lanes + 1, 1):
        lanes += 1
    return lanes


@lru_cache(maxsize=4096)
def chain_length(port: Port, weights: Weights, x: Shape, lanes: int, simd: int) -> int:
    """DSPs per chain that leave the fewest LUTs."""
    found = {n: layout(port, weights, x, lanes, n) for n in range(1, min(simd, LONGEST_CHAIN) + 1)}
    return min((one.luts / n, n) for n, one in found.items() if one)[1]
