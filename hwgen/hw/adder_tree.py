"""Products with a constant matrix by two-input adders alone: for pipelines, where each is registered.

Columns of a trained matrix resemble each other, so that one is cheaper as the difference to another
than from nothing: a spanning tree over the columns, and the empty one, picks for each the nearest
that is built already (as da4ml does, Sun et al. 2025, after Gustafsson et al. 2004). The
differences have few digits, and share sums (:mod:`hwgen.hw.sharing`). What is left of each is added up
narrow terms first, as far as the bound on the depth lets one choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_graph import AdderGraph, Term, csd
from hwgen.hw.sharing import Search

# Longest chain of columns, and bits that a LUT is taken to remove, best bets first.
_TRIED = ((3, 0.25), (5, 0.8), (1, 0.6), (4, 0.4), (5, 0.25), (2, 0.4), (8, 0.4), (6, 0.4), (3, 1.0),
          (4, 0.8), (1, 1.0), (8, 1.0), (7, 0.25), (6, 0.8), (5, 0.5), (4, 0.25))  # fmt: skip
_DIGITS = 60_000  # signed digits in all that are searched
_CHOICE = 12  # terms of a column among which the next pair to be added is sought


@dataclass(frozen=True)
class Differences:
    """``matrix[:, n]``: column n less ``sign[n]`` times column ``parent[n]``, or less nothing at -1.

    ``order``: parents first. ``height[n]``: the longest chain of columns that starts at n.
    """

    matrix: np.ndarray
    parent: Sequence[int]
    sign: Sequence[int]
    order: Sequence[int]

    @property
    def height(self) -> list[int]:
        height = [0] * len(self.parent)
        for n in reversed(self.order):
            if (p := self.parent[n]) >= 0:
                height[p] = max(height[p], height[n] + 1)
        return height

    def room(self, levels: int) -> list[int]:
        """What ``2**depth`` of each column's own terms may add up to for that depth in all."""
        own = [levels - h for h in self.height]
        return [
            (1 << max(own[n], 0)) - (1 << max(own[p], 0) if p >= 0 else 0)
            for n, p in enumerate(self.parent)
        ]

    @property
    def levels(self) -> int:
        """The least depth of all columns."""
        digits, levels = count_digits(self.matrix), max(self.height, default=0)
        while any(r < d for r, d in zip(self.room(levels), digits.tolist(), strict=True)):
            levels += 1
        return levels


def count_digits(matrix: np.ndarray) -> np.ndarray:
    """Signed digits of each column, ``(N,)``."""
    return sum((np.abs(d).sum(axis=0) for _, d in csd(matrix)), np.zeros(matrix.shape[1], np.int64))


def least_levels(weight: np.ndarray) -> int:
    """Adders on the longest path of the most digits in a column, added up as a tree."""
    return (int(count_digits(weight).max(initial=1)) - 1).bit_length()


def differences(weight: np.ndarray, longest: int) -> Differences:
    """The cheapest tree of columns by digits (Prim), no chain of them longer than ``longest``."""
    count = weight.shape[1]
    cost = count_digits(weight)
    parent, sign, chain = np.full(count, -1), np.ones(count, np.int64), np.ones(count, np.int64)
    left, order = np.ones(count, bool), []
    for _ in range(count):
        n = int(np.flatnonzero(left)[cost[left].argmin()])
        left[n] = False
        order.append(n)
        rest = np.flatnonzero(left)
        for s in (1, -1) if chain[n] < longest and len(rest) else ():
            new = count_digits(weight[:, rest] - s * weight[:, [n]]) + 1
            better = rest[new < cost[rest]]
            cost[better] = new[new < cost[rest]]
            parent[better], sign[better], chain[better] = n, s, chain[n] + 1
    above = np.where(parent >= 0, sign, 0) * weight[:, parent]
    return Differences(weight - above, parent.tolist(), sign.tolist(), order)


def sum_columns(weight: np.ndarray, x: IntRange, levels: int) -> AdderGraph:
    """``x @ weight``, ``(K, N)``, as a graph whose outputs are single terms, or none where all is zero.

    Its depth is at most ``levels``, or the least that the digits of ``weight`` allow. The cheapest of
    some that are tried, by LUTs and a third of the flip-flops of one register on every path.
    """
    digits = max(1, int(count_digits(weight).sum()))
    graphs: list[AdderGraph] = []
    for longest, bits_per_lut in _TRIED[: max(1, _DIGITS // digits)]:
        tree = differences(weight, longest)
        if tree.levels > levels:
            tree = differences(weight, 1)
        graphs.append(_add_up(tree, x, max(levels, tree.levels), bits_per_lut))
    return min(graphs, key=adder_bits)


def adder_bits(graph: AdderGraph) -> int:
    """LUTs of an adder graph's nodes, one per bit; the highest bit is a carry or a copied sign."""
    return graph.luts - len(graph.nodes)


def _add_up(tree: Differences, x: IntRange, levels: int, bits_per_lut: float) -> AdderGraph:
    """The graph of a tree of columns within a depth."""
    search = Search(tree.matrix, x, bits_per_lut)
    search.run(tree.room(levels))
    outputs: list[tuple[Term, ...]] = [()] * len(tree.order)
    for n in tree.order:
        terms = list(search.terms(n))
        if tree.parent[n] >= 0:
            negate = tree.sign[n] < 0
            terms += [Term(t.value, t.shift, t.negative ^ negate) for t in outputs[tree.parent[n]]]
        room = 1 << levels - tree.height[n]
        while len(terms) > 1:
            a, b = _next_pair(search, terms, room)
            terms = [t for t in terms if t not in (a, b)]
            terms.append(_add(search, a, b))
        outputs[n] = tuple(terms)
    return search.graph(outputs)


def _next_pair(search: Search, terms: list[Term], room: int) -> tuple[Term, Term]:
    """The two terms whose sum is narrowest, of those after which the rest still fits the depth."""
    weight = {t: 1 << search.depths[t.value] for t in terms}
    slack = room - sum(weight.values())
    top = {t: search.ranges[t.value].width + t.shift for t in terms}
    near = sorted(terms, key=lambda t: (top[t], weight[t], t.value, t.shift))[:_CHOICE]
    pairs = [
        (max(top[a], top[b]) - max(a.shift, b.shift), max(weight[a], weight[b]), k, a, b)
        for k, a in enumerate(near) for b in near[:k]
        if abs(weight[a] - weight[b]) <= slack
    ]  # fmt: skip
    if pairs:
        *_, a, b = min(pairs, key=lambda p: p[:3])
        return b, a
    a, b, *_ = sorted(terms, key=lambda t: (weight[t], top[t], t.value, t.shift))
    return a, b  # the two that are ready first always fit


def _add(search: Search, a: Term, b: Term) -> Term:
    """A new node for two terms; negative where both are."""
    if a.negative and not b.negative:
        a, b = b, a
    low = min(a.shift, b.shift)
    first = Term(a.value, a.shift - low, False)
    second = Term(b.value, b.shift - low, a.negative != b.negative)
    return Term(search.append(first, second), low, a.negative)
