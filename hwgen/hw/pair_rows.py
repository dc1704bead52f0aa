"""Products with run-time weights, two lanes at a time: rows that select a sum and add it at once.

For one bit of the weights of two lanes, the row is 0, x1, x2 or x1 + x2. The sum is shared by all
bits and all rows of weights, so a bit of the row depends on five signals: two of weights, and one
each of x1, x2 and x1 + x2. The sixth input of a LUT6 takes a bit of what was added before, and the
carry chain beside it adds the two: a LUT takes in two products *and* adds them, where ANDs that
enter a heap need 2/3 LUT each and half of one again. As each row ends a chain, this pays from some
width of x on (:func:`row_sites`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

DEPTH = 4  # rows added onto one another, at most

Chain = tuple[tuple[int, int, int, int], ...]  # (pair of lanes, plane, low, size) of each row
Planes = tuple[tuple[int, bool], ...]  # bits of weights: (shift, whether it counts negative)


@lru_cache(maxsize=256)
def chains(lanes: int, x_bits: int, planes: Planes) -> tuple[Chain, ...]:
    """Rows that are added onto one another.

    A row meets what was added before from bit ``low`` upwards and gives ``size`` bits; lower ones
    pass by. A chain has planes of one pair, in order, as far as the depth allows: a sum that was
    added to another in full would be torn apart by yosys' alumacc.
    """
    parts = -(-len(planes) // DEPTH)
    run = -(-len(planes) // parts)
    result = []
    for start in range(0, len(planes), run):
        for pair in range(-(-lanes // 2)):
            chain, largest = [], 0
            for j in range(start, min(start + run, len(planes))):
                low = planes[j][0] - planes[start][0]
                upper = (largest >> low) + (2 << x_bits) - 1
                largest = (upper << low) + (largest & ((1 << low) - 1))
                chain.append((pair, j, low, upper.bit_length()))
            result.append(tuple(chain))
    return tuple(result)


def row_heights(lanes: int, x_bits: int, planes: Planes, width: int) -> tuple[int, ...]:
    """How many bits the rows leave in each column."""
    heights = [0] * width
    for chain in chains(lanes, x_bits, planes):
        (_, j, *_), (_, _, low, size) = chain[0], chain[-1]
        for column in range(planes[j][0], min(planes[j][0] + low + size, width)):
            heights[column] += 1
    return tuple(heights)


def row_sites(lanes: int, x_bits: int, planes: Planes) -> int:
    """LUTs of the rows, without the sums of pairs."""
    return sum(size for chain in chains(lanes, x_bits, planes) for *_, size in chain)


class PairRows:
    """Rows over lanes ``x`` of one shape; the sums of pairs are made once."""

    def __init__(self, m: Module, x: Sequence[Value]):
        self.m, self.lanes, self.shape = m, len(x), x[0].shape()
        lanes = [*x, Const(0, self.shape)] if len(x) % 2 else list(x)
        self.pairs = []
        for one, two in zip(lanes[::2], lanes[1::2], strict=True):
            both = Signal(Shape(self.shape.width + 1, self.shape.signed), name="pair")
            m.d.comb += both.eq(one + two)
            self.pairs.append((one, two, both))

    def columns(
        self, codes: Sequence[Value], planes: Planes, width: int
    ) -> tuple[list[list[Value]], int]:
        """Bits by weight of ``sum_s x[s] * codes[s]``, and the constant to add to their sum, modulo
        2**width. Bit j of a code is worth what ``planes[j]`` says."""
        columns: list[list[Value]] = [[] for _ in range(width)]
        offset = 0
        codes = [*codes, Const(0, len(planes))] if len(codes) % 2 else codes
        for chain in chains(self.lanes, self.shape.width, planes):
            word: Value = Const(0, 0)
            for pair, j, low, size in chain:
                bits = codes[2 * pair][j], codes[2 * pair + 1][j]
                row, lacking = self._row(pair, *bits, planes[j][1])
                offset -= lacking << planes[j][0]
                word = Cat(word[:low], _added(self.m, word[low:], row, size)) if len(word) else row
            for column, bit in enumerate(word, planes[chain[0][1]][0]):
                if column < width:
                    columns[column].append(bit)
        return columns, offset

    def _row(self, pair: int, first: Value, second: Value, negative: bool) -> tuple[Value, int]:
        """The word that two bits of weights select, and by how much it is too large.

        A bit that counts negative enters inverted, as 1 - b (Baugh and Wooley): the sign of x in a
        positive row, all the others in a negative one.
        """
        one, two, both = self.pairs[pair]
        top = 1 << self.shape.width if self.shape.signed else 0
        flipped = top ^ ((2 << self.shape.width) - 1 if negative else 0)
        row = Signal(len(both), name="selected")
        self.m.d.comb += row.eq(Mux(first, Mux(second, both, one), Mux(second, two, 0)) ^ flipped)
        return row, flipped


def _added(m: Module, before: Value, row: Value, size: int) -> Value:
    """Their sum, with the row in the LUTs and ``before`` beside them, so that no bit of the row takes a
    LUT of its own.

    Of two words that are added, yosys' alumacc puts the shorter beside the LUTs, and of two as long
    either; of a difference always the first. ``before - ~row`` would be one more, and one less for
    the bit below, which has no LUT.
    """
    if len(before) < len(row):
        total = Signal(size, name="chain")
        m.d.comb += total.eq(before + row)
        return total
    total = Signal(size + 1, name="chain")
    m.d.comb += total.eq(
        Cat(Const(0, 1), before) - Cat(Const(1, 1), ~row, Const(-1, size - len(row)))
    )
    return total[1:]
