"""Sums of products, width-tight, with registers between levels of the adder tree on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from amaranth.hdl import Const, Mux, Value, signed, unsigned

from hwgen.core.intrange import IntRange

LEVELS_PER_STAGE = 3  # adder levels between two registers

Register = Callable[[Value], Value]  # a value, one clock later


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
    """Registers on every path of :func:`add_tree` over ``terms`` values."""
    return (max(terms - 1, 0).bit_length() + 1) // LEVELS_PER_STAGE


def add_tree(terms: Sequence[Value], register: Register | None, *,
             registers: int | None = None) -> Value:  # fmt: skip
    """The sum of ``terms`` by pairs, registered every :data:`LEVELS_PER_STAGE` levels.

    Without ``register`` it is combinational. ``registers`` (at least :func:`tree_registers`) pads the path, so that trees of unequal size
    stay in step.
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


def dot_products(x: Sequence[Value], rows: Sequence[Sequence[Value]], weight: np.ndarray,
                 register: Register) -> list[Value]:  # fmt: skip
    """``sum_s x[s] * w`` for each row of weight codes that arrive at run time.

    ``weight`` holds every value that the codes may stand for (see :func:`encode`). All results
    come :func:`tree_registers` ``(len(x))`` clocks later.
    """
    if is_bipolar(weight) and all(lane.shape() == unsigned(1) for lane in x):
        # w = 2b - 1, so sum w*x = 2 * popcount(b & x) - popcount(x); the latter serves all rows.
        ones = add_tree(x, register)
        return [
            (add_tree([lane & b for lane, b in zip(x, row, strict=True)], register) << 1) - ones
            for row in rows
        ]
    return [add_tree(_products(x, row, weight), register) for row in rows]


def constant_dot_products(x: Sequence[Value], weight: np.ndarray, register: Register) -> list[Value]:
    """``sum_s x[s] * weight[s, n]`` for every column n of a constant matrix; zeros cost nothing.

    All results come :func:`tree_registers` ``(len(x))`` clocks later.
    """
    registers = tree_registers(len(x))
    return [
        add_tree(_constant_products(x, column), register, registers=registers)
        for column in weight.T
    ]


def _products(x: Sequence[Value], codes: Sequence[Value], weight: np.ndarray) -> list[Value]:
    if is_bipolar(weight):
        return [Mux(code, lane, -lane) for lane, code in zip(x, codes, strict=True)]
    negative = bool((weight < 0).any())
    typed = [code.as_signed() if negative else code.as_unsigned() for code in codes]
    return [_product(lane, code) for lane, code in zip(x, typed, strict=True)]


def _product(x: Value, w: Value) -> Value:
    """``x * w``; a selection where either side is one unsigned bit."""
    if x.shape() == unsigned(1):
        return Mux(x, w, 0)
    if w.shape() == unsigned(1):
        return Mux(w, x, 0)
    return x * w


def _constant_products(x: Sequence[Value], weight: np.ndarray) -> list[Value]:
    terms: list[Value] = []
    for lane, w in zip(x, weight.tolist(), strict=True):
        if abs(w) == 1:
            terms.append(lane if w == 1 else -lane)
        elif w:
            terms.append(lane * Const(w, signed(abs(w).bit_length() + 1)))
    return terms or [Const(0, 1)]
