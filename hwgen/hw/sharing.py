"""Products with a constant matrix as few additions: shared sums of shifted inputs.

The matrix is written in canonical signed digits, and pairs of digits that many columns have in
common are added once: two inputs, how far apart they are shifted, and their relative sign
(Potkonjak et al. 1996; Hartley 1996; adders weighed by their LUTs as in da4ml, Sun et al. 2025).
The best pair comes first: it takes the most bits out of the sums that are left for the cost of its
adder. What remains of each column is a short list of terms, to be summed by a bit heap.

Counts only fall as digits are used up, so a queue of upper bounds, counted again when their turn
comes, gives the exact greedy order at little cost. Columns are bits of Python integers, so that
counting a pair is an AND. Ties are broken by the pair itself: the result is deterministic.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from math import log2

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_graph import AdderGraph, Node, Term, csd, linear_range

BITS_PER_LUT = 1.7  # what a bit heap removes
_BIAS = 64  # of the shift in a digit's code


def share(
    weight: np.ndarray, x: IntRange, *, levels: int | None = None, seconds: float | None = None,
    bits_per_lut: float = BITS_PER_LUT, deepest: int | None = None,
) -> AdderGraph:  # fmt: skip
    """An adder graph of ``x @ weight``, ``(K, N)``, for inputs in a range.

    ``levels``: the depth that a tree of two-input adders over it must not exceed; at least what
    the digits need, and one more than that by default. ``deepest``: a shared sum's own depth, at
    most (but for a bipolar matrix, which needs the sum of all inputs). ``seconds``: stop sharing
    after so long; what is left is still exact (but depends on the machine's speed then).
    """
    around = bool((np.abs(weight) == 1).all())
    search = Search(weight, x, bits_per_lut, around=around, deepest=None if around else deepest)
    needed = max(((t - 1).bit_length() for t in search.taken() if t), default=0)
    search.run([1 << max(levels or needed + 1, needed)] * weight.shape[1], seconds)
    return search.graph()


class Search:
    """The digits that are left, by column and by value, and the queue of pairs to be shared.

    A digit's code is ``value << 8 | (shift + 64) << 1 | negative``. ``columns[n]``: the codes in
    column n. ``masks[v][code & 255]``: the columns that have value v so, as bits.
    A pair (i, j, rel): the digit of j as seen from that of i, where rel is the difference of the
    shifts and the product of the signs, coded like the lower bits of a digit.
    """

    def __init__(self, weight: np.ndarray, x: IntRange, bits_per_lut: float, *,
                 around: bool = False, deepest: int | None = None):  # fmt: skip
        """``around``: the matrix is bipolar, and its columns are taken from the sum of the rows.
        ``deepest``: of the sums that are shared, if that is bounded."""
        self.x, self.bits_per_lut = x, bits_per_lut
        self.deepest = weight.size if deepest is None else deepest
        self.inputs, count = weight.shape
        self.columns: list[set[int]] = [set() for _ in range(count)]
        self.masks: list[dict[int, int]] = [{} for _ in range(self.inputs)]
        self.factors = list(np.eye(self.inputs, dtype=np.int64))
        self.ranges, self.depths = [x] * self.inputs, [0] * self.inputs
        self.nodes: list[Node] = []
        if around and self.inputs > 2:
            weight = self._around_the_sum(weight)
        for shift, digits in csd(weight):
            for i, n in zip(*np.nonzero(digits), strict=True):
                self._put(int(n), int(i) << 8 | (shift + _BIAS) << 1 | int(digits[i, n] < 0))
        self.slack = [0] * count
        self.queue: list[tuple[float, int, int, int, int]] = []

    def taken(self) -> list[int]:
        """The sum of ``2**depth`` of each column's terms: it fits ``2**levels`` where a tree of two-input
        adders over them has so many levels (Kraft's inequality)."""
        return [sum(1 << self.depths[code >> 8] for code in c) for c in self.columns]

    def run(self, room: Sequence[int], seconds: float | None = None) -> None:
        """Share pairs while it pays, or for ``seconds``. ``room``: what :meth:`taken` may become."""
        limit = None if seconds is None else time.monotonic() + seconds
        self.slack = [r - t for r, t in zip(room, self.taken(), strict=True)]
        for i in range(len(self.ranges)):
            for j in range(i, len(self.ranges)):
                self._enqueue_all(i, j)
        heapify(self.queue)
        while self.step():
            if limit is not None and time.monotonic() > limit:
                break

    def _around_the_sum(self, weight: np.ndarray) -> np.ndarray:
        """Digits of a bipolar matrix once the sum s of all inputs is a value: a column is s less
        twice what it subtracts, or twice what it adds less s, so that half its digits are zero."""
        rows, layer = len(weight), list(range(len(weight)))
        while len(layer) > 1:
            for a, b in zip(layer[::2], layer[1::2], strict=False):
                self.append(Term(a, 0, False), Term(b, 0, False))
            made = len(layer) // 2
            layer = [*range(len(self.ranges) - made, len(self.ranges)), *layer[2 * made :]]
        rest = np.zeros((len(self.ranges), weight.shape[1]), np.int64)
        few = (weight < 0).sum(axis=0) <= rows // 2
        rest[:rows] = np.where(few, np.minimum(weight, 0), np.maximum(weight, 0)) * 2
        rest[layer[0]] = np.where(few, 1, -1)
        return rest

    def append(self, a: Term, b: Term) -> int:
        """The number of a new node, the sum of two terms."""
        second = self.factors[b.value] << b.shift
        self.factors.append(
            (self.factors[a.value] << a.shift) + (-second if b.negative else second)
        )
        self.ranges.append(linear_range(self.factors[-1], self.x))
        self.depths.append(max(self.depths[a.value], self.depths[b.value]) + 1)
        self.masks.append({})
        self.nodes.append(Node(a, b, self.ranges[-1], self.depths[-1]))
        return len(self.ranges) - 1

    def _put(self, n: int, code: int) -> None:
        self.columns[n].add(code)
        masks = self.masks[code >> 8]
        masks[code & 255] = masks.get(code & 255, 0) | 1 << n

    def _take(self, n: int, code: int) -> None:
        self.columns[n].remove(code)
        self.masks[code >> 8][code & 255] ^= 1 << n

    def _enqueue_all(self, i: int, j: int) -> None:
        counts: Counter[int] = Counter()
        for low_i, mask_i in self.masks[i].items():
            for low_j, mask_j in self.masks[j].items():
                if (i < j or low_i >> 1 < low_j >> 1) and (both := mask_i & mask_j):
                    counts[(low_j ^ (low_i & 1)) - (low_i & 254) + 2 * _BIAS] += both.bit_count()
        for rel, count in counts.items():
            if (gain := self.gain(i, j, rel, count)) > 0:
                self.queue.append((-gain, i, j, rel, count))

    def gain(self, i: int, j: int, rel: int, count: int) -> float:
        """LUTs saved by adding a pair once for ``count`` uses; none where the sum were too deep."""
        if max(self.depths[i], self.depths[j]) >= self.deepest:
            return 0.0
        shift = (rel >> 1) - _BIAS
        a, b = self.ranges[i], self.ranges[j]
        both = _shifted(a, max(-shift, 0)) + _shifted(-b if rel & 1 else b, max(shift, 0))
        adder = both.width - (0 if rel & 1 and shift < 0 else abs(shift))
        removed = log2(a.size * b.size / both.size)
        return count * removed / self.bits_per_lut - adder

    def _count(self, i: int, j: int, rel: int) -> int:
        offset, sign = (rel & 254) - 2 * _BIAS, rel & 1
        others = self.masks[j]
        return sum(
            (mask & others.get((low + offset) ^ sign, 0)).bit_count()
            for low, mask in self.masks[i].items()
        )

    def step(self) -> bool:
        """Share one pair; False when none is worth it."""
        while self.queue:
            _, i, j, rel, before = heappop(self.queue)
            count = self._count(i, j, rel)
            if count < before:
                if count > 1 and (gain := self.gain(i, j, rel, count)) > 0:
                    heappush(self.queue, (-gain, i, j, rel, count))
                continue
            uses = self._uses(i, j, rel)
            if len(uses) > 1 and self.gain(i, j, rel, len(uses)) > 0:
                self._share(i, j, rel, uses)
                return True
        return False

    def _uses(self, i: int, j: int, rel: int) -> list[tuple[int, int, int]]:
        """(column, code of i, code of j) wherever the pair is, and the depth allows it.

        A sum of terms fits 2**levels in depth where the sum of all 2**depth does (Kraft); a pair of
        unequal depths takes up some of the slack.
        """
        offset, sign = (rel & 254) - 2 * _BIAS, rel & 1
        need = abs((1 << self.depths[i]) - (1 << self.depths[j]))
        uses, used, taken = [], set(), Counter()
        for low in sorted(self.masks[i]):
            other = (low + offset) ^ sign
            both = self.masks[i][low] & self.masks[j].get(other, 0)
            while both:
                n = (both & -both).bit_length() - 1
                both &= both - 1
                pair = (n, i << 8 | low, j << 8 | other)
                if i == j and (n, pair[1]) in used:
                    continue
                if self.slack[n] - taken[n] >= need:
                    taken[n] += need
                    uses.append(pair)
                    used.add((n, pair[2]))
        return uses

    def _share(self, i: int, j: int, rel: int, uses: list[tuple[int, int, int]]) -> None:
        shift, negative = (rel >> 1) - _BIAS, bool(rel & 1)
        a, b = Term(i, max(-shift, 0), False), Term(j, max(shift, 0), negative)
        need = abs((1 << self.depths[i]) - (1 << self.depths[j]))
        new = self.append(a, b)
        placed = []
        for n, code_i, code_j in uses:
            self._take(n, code_i)
            self._take(n, code_j)
            self.slack[n] -= need
            low = min(code_i & 254, code_j & 254) | code_i & 1
            placed.append((n, low))
        counts: Counter[int] = Counter()
        for n, low in placed:  # as seen from the new value
            sign, offset = low & 1, (low & 254) - 2 * _BIAS
            counts.update([(code ^ sign) - offset for code in self.columns[n]])
        for n, low in placed:
            self._put(n, new << 8 | low)
        for code, count in counts.items():
            if count > 1:
                other, seen = code >> 8, code & 255
                rel = 4 * _BIAS - (seen & 254) | seen & 1  # and now the new one from the other
                if (gain := self.gain(other, new, rel, count)) > 0:
                    heappush(self.queue, (-gain, other, new, rel, count))

    def terms(self, n: int) -> tuple[Term, ...]:
        """What is left of column n."""
        codes = sorted(self.columns[n])
        return tuple(Term(c >> 8, ((c & 255) >> 1) - _BIAS, bool(c & 1)) for c in codes)

    def graph(self, outputs: Sequence[tuple[Term, ...]] | None = None) -> AdderGraph:
        """All nodes, and ``outputs``, or what is left of every column."""
        if outputs is None:
            outputs = [self.terms(n) for n in range(len(self.columns))]
        return AdderGraph(self.inputs, tuple(self.nodes), tuple(outputs), tuple(self.ranges))


def _shifted(range_: IntRange, shift: int) -> IntRange:
    return IntRange(range_.lo << shift, range_.hi << shift)
