"""Sums of products with weights from memory: width-tight bit heaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.bit_heap import Register, add3, compress, plan, sites
from hwgen.hw.pair_rows import PairRows, Planes, row_heights, row_sites

LEVELS_PER_STAGE = 3  # adder levels between two registers


def is_bipolar(weight: np.ndarray) -> bool:
    """Whether every weight is -1 or +1, so that one bit (1 for +1) tells which."""
    return bool((np.abs(weight) == 1).all())


def weight_bits(weight: np.ndarray) -> int:
    """Bits that one stored weight takes: 1 where all are -1 or +1, else the range's width."""
    return 1 if is_bipolar(weight) else IntRange.of_array(weight).width


def encode(weight: np.ndarray) -> np.ndarray:
    """Weights as non-negative codes of :func:`weight_bits` bits: the sign bit, or two's
    complement."""
    if is_bipolar(weight):
        return (weight > 0).astype(np.int64)
    return weight & ((1 << weight_bits(weight)) - 1)


def tree_registers(terms: int) -> int:
    """Registers on every path of a sum of ``terms`` products."""
    return (max(terms - 1, 0).bit_length() + 1) // LEVELS_PER_STAGE


def add_tree(terms: Sequence[Value], register: Register | None, *,
             registers: int | None = None) -> Value:  # fmt: skip
    """The sum of ``terms`` by pairs, registered every :data:`LEVELS_PER_STAGE` levels.

    Without ``register`` it is combinational. ``registers`` (at least :func:`tree_registers`) pads
    the path, so that trees of unequal size stay in step.
    """
    level, values = 1, list(terms)
    padding = 0 if registers is None else registers - tree_registers(len(values))
    while True:
        if register and level % LEVELS_PER_STAGE == 0:
            values = [register(value) for value in values]
        if len(values) == 1:
            break
        pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + ([values[-1]] if len(values) % 2 else [])
        level += 1
    total = values[0]
    for _ in range(padding):
        assert register is not None
        total = register(total)
    return total


def sum_range(x: Shape, weight: np.ndarray, terms: int) -> IntRange:
    """The range of a sum of ``terms`` products of an x of that shape and any value of weight."""
    one = IntRange.of_bits(x.width, signed=x.signed) * IntRange.of_array(weight)
    return IntRange(terms * one.lo, terms * one.hi)


@dataclass(frozen=True, slots=True)
class Accumulation:
    """Sums over ``beats`` beats: a register per row, and whether a beat is the first of its sum.

    The registers share one width, which no sum exceeds; they are added on the carry chain that
    ends the dot product, at no cost of their own.
    """

    registers: Sequence[Value]
    first: Value
    beats: int


def dot_products(m: Module, x: Sequence[Value], rows: Sequence[Sequence[Value]],
                 weight: np.ndarray, register: Register | None = None,
                 onto: Accumulation | None = None) -> list[Value]:  # fmt: skip
    """``sum_s x[s] * w`` for each row of weight codes that arrive at run time.

    ``weight`` holds every value that the codes may stand for (see :func:`encode`). All lanes of x
    have one shape. Each sum has the width of its exact range, and comes :func:`tree_registers`
    ``(len(x))`` clocks later; at once without ``register``. With ``onto`` the results are the next
    values of its registers, in their width, exact after the last beat.
    """
    shape, span = x[0].shape(), tree_registers(len(x)) if register else 0
    total_range = sum_range(shape, weight, len(x))
    width = len(onto.registers[0]) if onto else total_range.width
    bipolar = is_bipolar(weight)
    if bipolar:  # w = 2b - 1, so sum w*x = 2 * sum b*x - sum x; the latter serves all rows
        planes: Planes = ((1, False),)
        less = _negative_sum(m, x, width, span, register)
    else:
        bits = weight_bits(weight)
        planes = tuple((j, j == bits - 1 and bool((weight < 0).any())) for j in range(bits))
    none: list[list[Value]] = [[] for _ in range(width)]
    pairs = PairRows(m, x) if _rows_pay(shape, len(x), planes, width, len(rows)) else None
    results = []
    for p, row in enumerate(rows):
        if pairs:
            columns, offset = pairs.columns(row, planes, width)
            columns = _registered(columns, register if span else None)
            words = compress(m, none, columns, max(span - 1, 0), register)
        else:
            codes = Cat(code[j].replicate(shape.width) for j in range(len(planes)) for code in row)
            products = Signal(len(codes), name="products")
            m.d.comb += products.eq(Cat(*[*x] * len(planes)) & codes)
            columns, offset = _columns(products, shape, len(x), planes, width)
            words = compress(m, columns, none, span, register)
        if bipolar:
            total: Value = add3(m, *words, less, width)
            if onto:
                total = Mux(onto.first, 0, onto.registers[p]) + total
        elif onto:
            before = Mux(onto.first, Const(offset * onto.beats % (1 << width), width),
                         onto.registers[p].as_unsigned())  # fmt: skip
            total = add3(m, *words, before, width)
        else:
            total = add3(m, *words, offset, width)
        signed_result = total_range.signed or (onto and onto.registers[p].shape().signed)
        results.append(total[:width].as_signed() if signed_result else total[:width])
    return results


def _registered(columns: Sequence[Sequence[Value]], register: Register | None) -> list[list[Value]]:
    """The same columns one clock later, or at once without ``register``."""
    if register is None or not any(columns):
        return [list(column) for column in columns]
    later = iter(register(Cat(bit for column in columns for bit in column)))
    return [[next(later) for _ in column] for column in columns]


def _rows_pay(x: Shape, lanes: int, planes: Planes, width: int, rows: int) -> bool:
    """Whether selecting sums of pairs takes fewer LUTs than a heap of single products."""
    none = (0,) * width
    heights = row_heights(lanes, x.width, planes, width)
    selected = row_sites(lanes, x.width, planes) + sites(plan(none, heights), 0)
    shared = -(-lanes // 2) * (x.width + 1)
    products = [0] * width
    for shift, _ in planes:
        for k in range(shift, min(shift + x.width, width)):
            products[k] += lanes
    heap = sites(plan(tuple(products), none), sum(products))
    return 0.75 * (rows * selected + shared) < rows * heap  # yosys gains on rows, loses on heaps


def _negative_sum(m: Module, x: Sequence[Value], width: int, span: int,
                  register: Register | None) -> Value:  # fmt: skip
    """``-sum(x)`` and the offset of the products of bipolar weights, modulo 2**width."""
    shape = x[0].shape()
    bits, offset = _columns(Cat(*x), shape, len(x), ((0, False),), width)
    words = compress(m, [[] for _ in bits], bits, span, register)
    rows_offset = -(len(x) << shape.width) if shape.signed else 0
    return ~add3(m, *words, offset - 1 - rows_offset, width)  # -s = ~(s - 1)


def _columns(products: Value, x: Shape, lanes: int, planes: Planes,
             width: int) -> tuple[list[list[Value]], int]:  # fmt: skip
    """Bits by weight, and the constant to add to their sum.

    ``products`` holds, plane by plane, lane by lane, the bits of x where a bit of w is set; a plane
    is (shift, whether it counts negative). A bit that counts negative enters inverted: -b is
    (1 - b) - 1 (Baugh and Wooley).
    """
    columns: list[list[Value]] = [[] for _ in range(width)]
    offset, number = 0, 0
    for shift, negative in planes:
        for _ in range(lanes):
            for k in range(x.width):
                column, bit = shift + k, products[number]
                number += 1
                minus = negative ^ (x.signed and k == x.width - 1)
                offset -= minus << column
                if column < width:
                    columns[column].append(~bit if minus else bit)
    return columns, offset
