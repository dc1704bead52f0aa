"""Products with a constant matrix, unrolled: all at once, zeros cost nothing.

Without registers, sums that columns share are added once (:mod:`hwgen.hw.sharing`) and the rest of
each column is one bit heap, which takes the fewest LUT6_2 sites. With registers, all is adders of two terms
(:mod:`hwgen.hw.adder_tree`), or of three: each is a carry chain and ends in flip-flops of the same slices,
while a register amid a heap holds more bits than any sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Module, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_graph import AdderGraph, Term, linear_range
from hwgen.hw.adder_schedule import SPARE_LEVELS
from hwgen.hw.adder_tree import least_levels, sum_columns
from hwgen.hw.bit_heap import Plan, Register, add3, compress, plan, sites
from hwgen.hw.graph_sums import GraphSums
from hwgen.hw.sharing import BITS_PER_LUT, share
from hwgen.hw.stream import element

LARGEST_SEARCHED = 1 << 14  # weights of a constant matrix for which several graphs are tried
LEVELS_PER_STAGE = 5  # adders between two registers
CHOICE_LEVELS = 3  # of adders, for sharing, beyond the least that a column needs
_CELLS = 4 / 3  # of a heap's site, each of an adder's


def product_registers(weight: np.ndarray) -> int:
    """Registers on every path of a product with a matrix ``(K, N)`` that is a stage of its own."""
    return max(1, (least_levels(weight) + CHOICE_LEVELS - 1) // LEVELS_PER_STAGE)


def constant_dot_products(m: Module, x: Sequence[Value], weight: np.ndarray,
                          register: Register | None = None, registers: int = 0,
                          levels: int | None = None, spare: int = SPARE_LEVELS) -> list[Value]:  # fmt: skip
    """``sum_s x[s] * weight[s, n]`` for every column n of a constant matrix.

    All lanes have one shape, and each result its exact range. All come ``registers`` clocks later,
    made by ``register``; at once without it. ``levels``: of adders in a pipeline in all, by default
    :data:`LEVELS_PER_STAGE` for each piece. ``spare``: as for :func:`~hwgen.hw.adder_schedule.schedule`.
    """
    shape = x[0].shape()
    x_range = IntRange.of_bits(shape.width, signed=shape.signed)
    if register:
        levels = levels or LEVELS_PER_STAGE * (registers + 1)
        graph = sum_columns(weight, x_range, levels)
        return _pipelined(m, x, weight, graph, register, registers, spare)
    graph = unroll(weight, x_range)
    ranges = [linear_range(factors, x_range) for factors in weight.T]
    values = GraphSums(m, graph, x)
    results = []
    for terms, range_ in zip(graph.outputs, ranges, strict=True):
        columns, offset = values.columns(terms, range_.width)
        words = compress(m, [[] for _ in columns], columns)
        total = add3(m, *words, offset, range_.width)
        results.append(total.as_signed() if range_.signed else total)
    return results


def _pipelined(m: Module, x: Sequence[Value], weight: np.ndarray, graph: AdderGraph,
               register: Register, registers: int, spare: int) -> list[Value]:  # fmt: skip
    shape = x[0].shape()
    x_range = IntRange.of_bits(shape.width, signed=shape.signed)
    values = GraphSums(m, graph, x, register, registers, spare)
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

    Where heaps are small they remove fewer bits per LUT, and sharing is worth more. What is shared
    is an adder to three deep, with which a heap's first rows are in time.
    """
    ranges = [linear_range(factors, x) for factors in weight.T]
    tried = (0.7, 1.0, 1.3, BITS_PER_LUT) if weight.size <= LARGEST_SEARCHED else (1.0,)
    deepest = max(1, (least_levels(weight) - 1) // 2)
    graphs = [share(weight, x, bits_per_lut=bits, deepest=deepest) for bits in tried]
    return min(graphs, key=lambda graph: (
        graph.luts + _CELLS * sum(sites(p, 0) for p in _column_plans(graph, ranges))
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
