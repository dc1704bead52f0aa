"""Products with a constant matrix, unrolled: all at once, zeros cost nothing.

Without registers, sums that columns share are added once (:mod:`hwgen.hw.sharing`) and the rest of
each column is one bit heap, which takes the fewest LUT6_2 sites. With registers, all is two-input adders
(:mod:`hwgen.hw.adder_tree`): each is a LUT per bit and ends in flip-flops of the same slices,
while a register amid a heap holds more bits than any sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_graph import AdderGraph, Term, linear_range
from hwgen.hw.adder_tree import count_digits, sum_columns
from hwgen.hw.bit_heap import Plan, Register, add3, compress, plan, sites
from hwgen.hw.sharing import BITS_PER_LUT, share
from hwgen.hw.stream import element

LARGEST_SEARCHED = 1 << 14  # weights of a constant matrix for which several graphs are tried
LEVELS_PER_STAGE = 5  # adders between two registers
SPARE_LEVELS = 3  # of adders, for sharing, beyond the least that a column needs


def product_registers(weight: np.ndarray) -> int:
    """Registers on every path of a product with a matrix ``(K, N)`` that is a stage of its own."""
    needed = (int(count_digits(weight).max(initial=1)) - 1).bit_length()
    return max(1, (needed + SPARE_LEVELS - 1) // LEVELS_PER_STAGE)


def constant_dot_products(m: Module, x: Sequence[Value], weight: np.ndarray,
                          register: Register | None = None, registers: int = 0,
                          levels: int | None = None) -> list[Value]:  # fmt: skip
    """``sum_s x[s] * weight[s, n]`` for every column n of a constant matrix.

    All lanes have one shape, and each result its exact range. All come ``registers`` clocks later,
    made by ``register``; at once without it. ``levels``: of adders in a pipeline in all, by default
    :data:`LEVELS_PER_STAGE` for each piece.
    """
    shape = x[0].shape()
    x_range = IntRange.of_bits(shape.width, signed=shape.signed)
    if register:
        levels = levels or LEVELS_PER_STAGE * (registers + 1)
        graph = sum_columns(weight, x_range, levels)
        return _pipelined(m, x, weight, graph, register, registers)
    graph = unroll(weight, x_range)
    ranges = [linear_range(factors, x_range) for factors in weight.T]
    values = _SharedSums(m, graph, x, [0] * len(graph.nodes), None)
    results = []
    for terms, range_ in zip(graph.outputs, ranges, strict=True):
        columns, offset = values.columns(terms, range_.width)
        words = compress(m, [[] for _ in columns], columns)
        total = add3(m, *words, offset, range_.width)
        results.append(total.as_signed() if range_.signed else total)
    return results


def _pipelined(m: Module, x: Sequence[Value], weight: np.ndarray, graph: AdderGraph,
               register: Register, registers: int) -> list[Value]:  # fmt: skip
    shape = x[0].shape()
    x_range = IntRange.of_bits(shape.width, signed=shape.signed)
    deepest = max(graph.depth, 1)
    ages = [(node.depth - 1) * (registers + 1) // deepest for node in graph.nodes]
    values = _SharedSums(m, graph, x, ages, register)
    results: list[Value] = []
    for terms, factors in zip(graph.outputs, weight.T, strict=True):
        total = Signal(element(linear_range(factors, x_range)), name="total")
        for term in terms:  # one, or none
            value = values.at(term.value, registers) << term.shift
            m.d.comb += total.eq(-value if term.negative else value)
        results.append(total)
    return results


def unroll(weight: np.ndarray, x: IntRange) -> AdderGraph:
    """The adder graph of ``x @ weight`` with the fewest LUTs, of some that share more or less.

    Where heaps are small they remove fewer bits per LUT, and sharing is worth more.
    """
    ranges = [linear_range(factors, x) for factors in weight.T]
    tried = (0.7, 1.0, 1.3, BITS_PER_LUT) if weight.size <= LARGEST_SEARCHED else (1.0,)
    graphs = [share(weight, x, bits_per_lut=bits) for bits in tried]
    return min(graphs, key=lambda graph: (
        graph.luts + sum(sites(p, 0) for p in _column_plans(graph, ranges))
    ))  # fmt: skip


def _column_plans(graph: AdderGraph, ranges: Sequence[IntRange]) -> list[Plan]:
    """How the terms of every output are added up."""
    heights = [
        _term_heights(graph, terms, range_.width)
        for terms, range_ in zip(graph.outputs, ranges, strict=True)
    ]
    return [plan((0,) * len(h), h) for h in heights]


def _term_heights(graph: AdderGraph, terms: Sequence[Term], width: int) -> tuple[int, ...]:
    """How many bits the terms put into each column of a heap."""
    heights = [0] * width
    for term in terms:
        for k in range(term.shift, min(term.shift + graph.ranges[term.value].width, width)):
            heights[k] += 1
    return tuple(heights)


class _SharedSums:
    """The nodes of an adder graph as hardware.

    ``ages``: for each node, the registers on every path from the inputs to its adder.
    """

    def __init__(self, m: Module, graph: AdderGraph, x: Sequence[Value], ages: Sequence[int],
                 register: Register | None):  # fmt: skip
        self.register, self.ranges = register, graph.ranges
        self.values = [[lane] for lane in x]  # of each value: at once, and one clock later each
        self.inverted: dict[int, Value] = {}
        self.ages = [0] * len(x)
        for number, (node, age) in enumerate(zip(graph.nodes, ages, strict=True)):
            total = Signal(element(node.range), name=f"sum_{number}")
            m.d.comb += total.eq(self._add(node.a, node.b, age))
            self.values.append([total])
            self.ages.append(age)

    def at(self, value: int, age: int) -> Value:
        """A value after ``age`` registers on its path."""
        later = self.values[value]
        while len(later) <= age - self.ages[value]:
            assert self.register is not None
            later.append(self.register(later[-1]))
        return later[age - self.ages[value]]

    def _add(self, a: Term, b: Term, age: int) -> Value:
        """The sum of two terms, the first positive; bits below the other's pass by the adder."""
        one, two = self.at(a.value, age), self.at(b.value, age)
        if b.shift and len(one) > b.shift:
            upper = one[b.shift :]
            upper = upper.as_signed() if one.shape().signed else upper
            upper = upper - two if b.negative else upper + two
            return Cat(one[: b.shift], upper).as_signed()
        if a.shift and not b.negative:
            upper = two[a.shift :]
            upper = (upper.as_signed() if two.shape().signed else upper) + one
            return Cat(two[: a.shift], upper).as_signed()
        one, two = one << a.shift, two << b.shift
        return one - two if b.negative else one + two

    def columns(self, terms: Sequence[Term], width: int) -> tuple[list[list[Value]], int]:
        """The bits of terms by weight, and the constant to add to their sum, modulo 2**width."""
        columns: list[list[Value]] = [[] for _ in range(width)]
        offset = 0
        for term in terms:
            value = self.at(term.value, 0)
            other = self.inverted.setdefault(term.value, ~value)
            for k in range(len(value)):
                column = term.shift + k
                minus = term.negative ^ (value.shape().signed and k == len(value) - 1)
                offset -= minus << column
                if column < width:
                    columns[column].append(other[k] if minus else value[k])
        return columns, offset
