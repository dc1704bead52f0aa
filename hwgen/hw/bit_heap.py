"""Adding up many bits of many weights: heaps of bits, compressed by rows of carry chains.

A heap is a list of columns; column c holds bits worth 2**c each. A level of compression cuts rows
out of it. A row spans neighbouring columns and takes up to three bits of each: one LUT per column
forms their sum and majority, and the carry chain of the same slices adds the two words, so that
a LUT removes two bits. That beats counters such as 6:3, which remove one, wherever there are carry
chains (Preusser, "Generic and universal parallel matrix summation", FPL 2017).

Bits that are still an AND of two signals ("products") need no LUT of their own where they meet
the chain: a row of two products per column, or of one product and two other bits, still fits.
The best mix is 2/3 LUT per product in all, over many levels; two levels reach 0.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from amaranth.hdl import Cat, Const, Module, Signal, Value

Register = Callable[[Value], Value]  # a value, one clock later

Heights = tuple[int, ...]  # bits per column


@dataclass(frozen=True, slots=True)
class Row:
    """Operands of one carry chain, from column ``low`` upwards: numbers of bits, -1 for none.

    ``extra``: one more bit of column ``low``. ``out``: the numbers of the bits of the sum.
    """

    low: int
    operands: tuple[tuple[int, int, int], ...]
    extra: int
    out: tuple[int, ...]

    @property
    def binary(self) -> bool:
        """Whether two words are added, so that the LUTs of the chain are plain."""
        return len(self.operands) > 1 and self.extra < 0 and all(c < 0 for *_, c in self.operands)


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows level by level. Bits are numbered: products, other bits, then sums as they arise.

    ``words``: at most two numbers of bits per column in the end, -1 for none.
    """

    levels: tuple[tuple[Row, ...], ...]
    words: tuple[tuple[int, int], ...]


@dataclass
class _Heap:
    """Bits by column while planning; ``count`` numbers the next one."""

    products: list[list[int]]
    bits: list[list[int]]
    count: int
    later: list[tuple[int, int]] = field(default_factory=list)  # (column, bit) of this level

    def height(self, column: int) -> int:
        return len(self.products[column]) + len(self.bits[column])

    def row(self, low: int, operands: list[list[int]], extra: int = -1) -> Row:
        """Number the sum's bits; those of columns that do not exist are dropped."""
        largest = sum(len(o) << k for k, o in enumerate(operands)) + (extra >= 0)
        width = min(largest.bit_length(), len(self.bits) - low)
        out = tuple(range(self.count, self.count + width))
        self.count += width
        self.later += [(low + k, bit) for k, bit in enumerate(out)]
        padded = tuple((*o, -1, -1, -1)[:3] for o in operands)
        return Row(low, padded, extra, out)

    def settle(self) -> None:
        for column, bit in self.later:
            self.bits[column].append(bit)
        self.later.clear()


@dataclass(frozen=True, slots=True)
class _Style:
    """How products enter. ``pairs``: the part of them that first meets in chains of two products
    per column; without such chains, ``threes``: one counter of three products per so many."""

    pairs: float = 0.0
    threes: int = 0


_STYLES = (_Style(pairs=0.8), _Style(pairs=0.7), _Style(pairs=0.9), _Style(pairs=1.0),
           _Style(threes=5), _Style(threes=7), _Style(threes=9))  # fmt: skip


@lru_cache(maxsize=256)
def plan(products: Heights, bits: Heights) -> Plan:
    """How to compress a heap of these heights to two words, modulo 2**len(heights)."""
    styles = _STYLES if any(products) else _STYLES[:1]
    plans = [_plan(products, bits, style) for style in styles]
    return min(plans, key=lambda p: sites(p, sum(products)) * (100 + len(p.levels)))


def sites(steps: Plan, products: int) -> int:
    """LUT6_2 sites of the rows, and of the carry chain that adds the two words."""
    total = 0
    for row in (row for level in steps.levels for row in level):
        chained = len(row.operands) > 1 and not row.binary
        for three in row.operands:
            inputs = sum(0 if b < 0 else 2 if b < products else 1 for b in three) + chained
            total += 1 if inputs <= 5 else 2
        total += len(row.operands) > 1  # the end of a chain
    pairs = [k for k, (_, b) in enumerate(steps.words) if b >= 0]
    return total + (len(steps.words) - pairs[0] if pairs else 0)


def _plan(products: Heights, bits: Heights, style: _Style) -> Plan:
    assert len(products) == len(bits)
    count, columns = 0, []
    for heights in (products, bits):
        lists = []
        for height in heights:
            lists.append(list(range(count, count + height)))
            count += height
        columns.append(lists)
    heap = _Heap(*columns, count)
    levels = []
    width = len(products)
    while max(heap.height(c) for c in range(width)) > 2 or any(heap.products):
        if style.threes and any(heap.products):
            rows = _counters(heap, style.threes, first=not levels)
        elif any(heap.products) and not levels:
            rows = _product_rows(heap, style.pairs)
        else:
            rows = _rows(heap)
        heap.settle()
        levels.append(tuple(rows))
    words = tuple((*column, -1, -1)[:2] for column in heap.bits)
    return Plan(tuple(levels), words)  # type: ignore[arg-type]


def _counters(heap: _Heap, group: int, *, first: bool) -> list[Row]:
    """Full adders of three products, then of two products and the sum before: no carry chain."""
    rows = []
    for c, (products, bits) in enumerate(zip(heap.products, heap.bits, strict=True)):
        if first:
            count = min(-(-len(products) // group), len(products) // 3)
            count -= min(count, len(bits))
            some = [[products.pop() for _ in range(3)] for _ in range(count)]
        else:
            count = min(len(products) // 2, len(bits))
            some = [[bits.pop(0), products.pop(), products.pop()] for _ in range(count)]
        rows += [heap.row(c, [three]) for three in some]
        if len(products) <= 1 or (not first and not bits and not some):
            heap.later += [(c, bit) for bit in products]
            products.clear()
    return rows


def _segments(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Rows (low, high) that use column c counts[c] times, each as long as can be."""
    rows = []
    for k in range(max(counts, default=0)):
        low = None
        for c in range(len(counts) + 1):
            inside = c < len(counts) and counts[c] > k
            if inside and low is None:
                low = c
            elif not inside and low is not None:
                rows.append((low, c))
                low = None
    return rows


def _product_rows(heap: _Heap, part: float) -> list[Row]:
    """Two products per column; what is left meets the sums."""
    pairs = [int(len(column) * part / 2 + 0.5) for column in heap.products]
    pairs = [min(n, len(column) // 2) for n, column in zip(pairs, heap.products, strict=True)]
    rows = []
    for low, high in _segments(pairs):
        operands = [[heap.products[c].pop(), heap.products[c].pop()] for c in range(low, high)]
        rows.append(heap.row(low, operands))
    return rows


def _rows(heap: _Heap) -> list[Row]:
    """Three bits per column, one of them a product while there are products."""
    width = len(heap.bits)
    triples: list[list[list[int]]] = []
    for c in range(width):
        products, bits = heap.products[c], heap.bits[c]
        column = []
        while len(products) + len(bits) >= 3:
            some = [products.pop()] if products else []
            take = min(3 - len(some), len(bits))
            some += [bits.pop(0) for _ in range(take)]
            while len(some) < 3:
                some.append(products.pop())
            column.append(some)
        triples.append(column)
    rows = []
    for low, high in _segments([len(column) for column in triples]):
        operands = [triples[c].pop() for c in range(low, high)]
        # The lowest position of the chain has room for a fourth bit.
        spare = heap.bits[low] or heap.products[low]
        extra = spare.pop(0) if spare and high - low > 1 else -1
        while high < width and heap.height(high) == 2 and not triples[high]:
            operands.append([*heap.products[high], *heap.bits[high]])  # carries will come
            heap.products[high], heap.bits[high] = [], []
            high += 1
        rows.append(heap.row(low, operands, extra))
    for c in range(width):  # products that no row took become bits
        if heap.products[c] and heap.height(c) <= 2:
            while heap.products[c]:
                heap.later.append((c, heap.products[c].pop()))
    return rows


def compress(
    m: Module, products: Sequence[Sequence[Value]], bits: Sequence[Sequence[Value]],
    registers: int = 0, register: Register | None = None,
) -> tuple[Value, Value]:  # fmt: skip
    """Two words whose sum is that of the heap, modulo 2**len(bits).

    ``products`` and ``bits``: 1-bit values by column. ``registers`` of them (made by ``register``)
    are spread over the levels, and all paths pass the same number.
    """
    steps = plan(tuple(map(len, products)), tuple(map(len, bits)))
    given = [bit for column in (*products, *bits) for bit in column]
    values: dict[int, Value] = {-1: Const(0, 1), **dict(enumerate(given))}
    parts = len(steps.levels) + 1
    for index, level in enumerate(steps.levels):
        for row, total in zip(level, _add_rows(m, level, values), strict=True):
            values |= {number: total[k] for k, number in enumerate(row.out)}
        for _ in range((index + 1) * registers // parts - index * registers // parts):
            assert register is not None
            values = _delay(values, steps, index, register)
    words = [Cat(values[pair[k]] for pair in steps.words) for k in (0, 1)]
    for _ in range(registers - (parts - 1) * registers // parts):
        assert register is not None
        words = [register(word) for word in words]
    return words[0], words[1]


def _delay(values: Mapping[int, Value], steps: Plan, index: int,
           register: Register) -> dict[int, Value]:  # fmt: skip
    """The bits that a level after ``index`` still reads, one clock later."""
    wanted = {bit for pair in steps.words for bit in pair}
    for row in (row for level in steps.levels[index + 1 :] for row in level):
        wanted.update((row.extra, *(bit for three in row.operands for bit in three)))
    alive = sorted(bit for bit in wanted if bit >= 0 and bit in values)
    later = register(Cat(values[bit] for bit in alive))
    return {-1: values[-1]} | {bit: later[k] for k, bit in enumerate(alive)}


def _add_rows(m: Module, rows: Sequence[Row], values: Mapping[int, Value]) -> list[Value]:
    """The sums of the rows; sums and majorities of a whole level are one operator each."""
    ternary = [row for row in rows if not row.binary]
    three = [Cat(values[o[k]] for row in ternary for o in row.operands) for k in range(3)]
    parity, majority = full_adders(m, *three)
    totals, start = [], 0
    for row in rows:
        total, n = Signal(len(row.out), name="row"), len(row.operands)
        totals.append(total)
        if row.binary:
            a, b = (Cat(values[o[k]] for o in row.operands) for k in (0, 1))
            m.d.comb += total.eq(a + b)
            continue
        s, carry = parity[start : start + n], majority[start : start + n]
        start += n
        if n == 1 and row.extra < 0:
            m.d.comb += total.eq(Cat(s, carry))
        else:  # The shorter word is what yosys lets enter the chain beside the LUTs (alumacc).
            m.d.comb += total.eq(Cat(values[row.extra], carry[:-1]) + Cat(s, carry[-1]))
    return totals


def full_adders(m: Module, a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    """Sums and carries, bit by bit."""
    if not len(a):  # Verilog has no wire of no bits
        return Const(0, 0), Const(0, 0)
    parity, majority = Signal(len(a), name="parity"), Signal(len(a), name="majority")
    m.d.comb += [parity.eq(a ^ b ^ c), majority.eq((a & b) | (a & c) | (b & c))]
    return parity, majority


def add3(m: Module, a: Value, b: Value, c: Value | int, width: int) -> Signal:
    """``a + b + c`` modulo 2**width on one carry chain; words are extended by their own sign."""
    c = Const(c % (1 << width), width) if isinstance(c, int) else c
    words = [Signal(width, name=name) for name in ("a", "b", "c")]
    m.d.comb += [word.eq(value) for word, value in zip(words, (a, b, c), strict=True)]
    parity, majority = full_adders(m, *words)
    total = Signal(width, name="total")
    m.d.comb += total.eq(Cat(Const(0, 1), majority)[:width] + parity)
    return total
