"""Dot products with run-time weights in DSPs: several rows of weights per multiplication.

:mod:`hwgen.hw.dsp_layout` says where the rows stand. Here a DSP is ``a * b`` into a register and,
where it has a post-adder, ``+ c`` into another: forms that synthesis turns into one DSP each, with
these registers inside. What a DSP leaves are bits of fields; one bit heap per row adds them up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed

from hwgen.hw.bit_heap import Register, add3, compress
from hwgen.hw.dot_product import Accumulation, sum_range, tree_registers
from hwgen.hw.dsp_layout import (
    RESULT_BITS,
    Layout,
    Packing,
    Weights,
    chain_length,
    layout,
    most_lanes,
    x_range,
)


def packed_registers(simd: int) -> int:
    """Registers on every path of a packed dot product: after the multiplier, then as in a tree."""
    return 1 + tree_registers(simd)


class _Heap:
    """Bits by column of one row, and the constant to add to their sum, modulo 2**width."""

    def __init__(self, width: int):
        self.columns: list[list[Value]] = [[] for _ in range(width)]
        self.offset = 0

    def add(self, word: Value, shift: int = 0, *, negative: bool = False, is_signed: bool = False):
        """Add ``word << shift``, or subtract it; a bit that counts negative enters inverted."""
        for k in range(len(word)):
            minus = negative ^ (is_signed and k == len(word) - 1)
            self.offset -= minus << (shift + k)
            if shift + k < len(self.columns):
                self.columns[shift + k].append(~word[k] if minus else word[k])


class PackedProducts:
    """``sum_s x[s] * w[p, s]`` for ``rows`` rows p of weights that arrive at run time.

    Parameters
    ----------
    packing : the DSPs, and how many rows share one.
    weight : every value that weights may take.
    x : the shape of the lanes of x.
    rows, simd : PE that share x, and lanes of x.
    """

    def __init__(self, packing: Packing, weight: np.ndarray, x: Shape, rows: int, simd: int):
        self.port, self.weight, self.weights = packing.port, weight, Weights.of(weight)
        self.x, self.rows, self.simd = x, rows, simd
        most = most_lanes(self.port, self.weights, x)
        count = -(-rows // min(packing.rows or most, most))
        # As few groups as possible, of nearly equal size.
        self.groups = [rows * (g + 1) // count - rows * g // count for g in range(count)]

    @property
    def dsps(self) -> int:
        return len(self.groups) * self.simd

    def chains(self, lanes: int) -> list[Layout]:
        """The chains of a group of that many rows, in the order of the lanes of x."""
        found: list[Layout] = []
        while left := self.simd - sum(one.chain for one in found):
            chain = chain_length(self.port, self.weights, self.x, lanes, left)
            one = layout(self.port, self.weights, self.x, lanes, chain)
            assert one is not None
            found.append(one)
        return found

    @property
    def luts(self) -> float:
        """An estimate, without what adds up the accumulators: LUTs before and after the DSPs."""
        return sum(chain.luts for lanes in self.groups for chain in self.chains(lanes))

    @property
    def register_bits(self) -> int:
        """Flip-flops beside the DSPs: products, or only what is added to them."""
        chains = [chain for lanes in self.groups for chain in self.chains(lanes)]
        if self.port.post_adder:
            return sum(chain.bits - chain.riders for chain in chains)
        return sum(chain.riders for chain in chains)

    def offsets(self) -> np.ndarray:
        """What is added to the weights of each row before they are stored, ``(rows,)``: the rows on
        top of a DSP are two's complement, the others unsigned."""
        tops = np.cumsum(self.groups) - 1
        offsets = np.full(self.rows, self.weights.off)
        offsets[tops] = 0
        return offsets

    def build(self, m: Module, x: Sequence[Value], rows: Sequence[Sequence[Value]],
              register: Register | None, onto: Accumulation | None = None) -> list[Value]:  # fmt: skip
        """The sums, each with the width of its exact range, for rows of codes (weight +
        :meth:`offsets`), :func:`packed_registers` ``(simd)`` clocks later; at once without
        ``register``. ``onto`` as in :func:`hwgen.hw.dot_product.dot_products`."""
        keep: Register = register or (lambda value: value)
        span = packed_registers(self.simd) if register else 0
        total_range = sum_range(self.x, self.weight, self.simd)
        width = len(onto.registers[0]) if onto else total_range.width
        if self.port.post_adder:
            within = 2 if span > 1 else 1
            heaps = self._fused(m, x, rows, width, keep, result=span > 1)
        else:
            within, heaps = 1, self._plain(m, x, rows, width, keep)
        none: list[list[Value]] = [[] for _ in range(width)]
        results = []
        for p, heap in enumerate(heaps):
            words = compress(m, none, heap.columns, max(span - within, 0), register)
            if onto:
                start = Const(heap.offset * onto.beats % (1 << width), width)
                before = Mux(onto.first, start, onto.registers[p].as_unsigned())
                total = add3(m, *words, before, width)
            else:
                total = add3(m, *words, heap.offset, width)
            is_signed = onto.registers[p].shape().signed if onto else total_range.signed
            results.append(total.as_signed() if is_signed else total)
        return results

    def _operand(self, rows: Sequence[Value], found: Layout) -> Value:
        """The wide operand: a weight at the position of each field."""
        parts: list[Value] = []
        filled = 0
        for code, field in zip(rows, found.fields, strict=True):
            parts += [Const(0, field.low - filled), code]
            filled = field.low + len(code)
        word = Cat(*parts)
        return word.as_signed() if self.weights.off else word

    def _fused(self, m: Module, x: Sequence[Value], rows: Sequence[Sequence[Value]], width: int,
               register: Register, *, result: bool) -> list[_Heap]:  # fmt: skip
        """Chains of DSPs with post-adders; the last of each has a register for its result."""
        heaps, start = [], 0
        for lanes in self.groups:
            own, heap = rows[start : start + lanes], [_Heap(width) for _ in range(lanes)]
            start, first = start + lanes, 0
            for found in self.chains(lanes):
                part = range(first, first + found.chain)
                first += found.chain
                known = [_lowest(x, row, part, field.shared)
                         for row, field in zip(own, found.fields, strict=True)]  # fmt: skip
                total: Value = register(self._added(m, [x[s] for s in part], known, found))
                for s in part:
                    product = register(self._operand([row[s] for row in own], found) * x[s])
                    both = Signal(signed(RESULT_BITS), name="dsp")
                    m.d.comb += both.eq(product + total)
                    total = both
                total = register(total) if result else total
                rider, spill = found.riders, total[found.bits - found.spilled : found.bits]
                for field, sums in zip(found.fields, heap, strict=True):
                    sums.add(
                        total[field.low + field.shared : field.low + field.width], field.shared
                    )
                    sums.add(total[rider : rider + field.shared], negative=True)
                    sums.offset -= field.bias
                    rider += field.shared
                    if sums is not heap[-1]:
                        sums.add(spill, found.cut)
            heaps += heap
        return heaps

    def _added(self, m: Module, x: Sequence[Value], known: Sequence[Value],
               found: Layout) -> Value:  # fmt: skip
        """What the first DSP of a chain adds: constants and offsets, ``known`` to make the lowest
        bits of fields zero, and what rides above all fields."""
        off, spill = self.weights.off, Const(0, 0)
        if off:
            shift = off.bit_length() - 1
            flipped = [~lane for lane in x]  # max(x) - x
            if self.x.signed:
                flipped = [Cat(lane[:-1], ~lane[-1]) for lane in flipped]
            most = found.chain * (x_range(self.x).size - 1) + (found.low_constant >> shift)
            rest = Signal(most.bit_length(), name="offset")
            m.d.comb += rest.eq(sum(flipped, Const(found.low_constant >> shift)))
            spill = rest[len(rest) - found.spilled :]
            low_word = Cat(Const(found.low_constant % off, shift), rest)[: found.cut]
        else:
            low_word = Const(found.low_constant, found.cut)
        word: Value = Const(0, 0)
        for field, bits in zip(found.fields, known, strict=True):
            top = field is found.fields[-1]
            own = Const(found.top_constant, field.width) if top else low_word
            word = Cat(word, Const(0, field.low - len(word)), bits, own[len(bits) :])
        return Cat(word, Const(0, found.riders - len(word)), *known, spill)

    def _plain(self, m: Module, x: Sequence[Value], rows: Sequence[Sequence[Value]], width: int,
               register: Register) -> list[_Heap]:  # fmt: skip
        """DSPs that only multiply: the offsets are taken off by the sum of x."""
        packed = self.weights.off and max(self.groups) > 1
        sum_x = self._sum_of_x(m, x, register) if packed else None
        shift = max(self.weights.off.bit_length() - 1, 0)
        heaps, start = [], 0
        for lanes in self.groups:
            own, heap = rows[start : start + lanes], [_Heap(width) for _ in range(lanes)]
            start += lanes
            (found, *_) = self.chains(lanes)
            for s, lane in enumerate(x):
                product = register(self._operand([row[s] for row in own], found) * lane)
                result = Signal(Shape(found.riders, product.shape().signed), name="dsp")
                m.d.comb += result.eq(product)
                known = [
                    register(row[s][0] & lane[0]) if field.shared else None
                    for row, field in zip(own, found.fields, strict=True)
                ]
                self._split(result, known, found, heap)
            for sums in heap[:-1] if sum_x is not None else ():
                sums.add(sum_x, shift, negative=True)
                if self.x.signed:
                    sums.offset += len(x) * self.weights.off << (self.x.width - 1)
            heaps += heap
        return heaps

    def _split(self, result: Value, known: Sequence[Value | None], found: Layout,
               heap: Sequence[_Heap]) -> None:  # fmt: skip
        """Hand the fields of one product to the heaps of their rows."""
        borrow: Value | None = None  # what the field below takes from this one, or puts into it
        for k, (field, sums) in enumerate(zip(found.fields, heap, strict=True)):
            above = known[k + 1] if k + 1 < len(known) else None
            word = result[field.low : field.low + field.width]
            if above is not None:
                word = Cat(word[:-1], word[-1] ^ above)
            sums.add(word, is_signed=field.signed)
            if borrow is not None:
                sums.add(borrow, negative=field.shared)
            borrow = word[-1] if above is not None or field.signed else None

    def _sum_of_x(self, m: Module, x: Sequence[Value], register: Register) -> Value:
        """The sum of x, each counted from its least value on."""
        width = (len(x) * (x_range(self.x).size - 1)).bit_length()
        columns: list[list[Value]] = [[] for _ in range(width)]
        for lane in x:
            for k in range(len(lane)):
                flip = self.x.signed and k == len(lane) - 1
                columns[k].append(~lane[k] if flip else lane[k])
        none: list[list[Value]] = [[] for _ in columns]
        return register(add3(m, *compress(m, none, columns), 0, width))


def _lowest(x: Sequence[Value], row: Sequence[Value], part: Sequence[int],
            bits: int) -> Value:  # fmt: skip
    """``-sum(x[s] * row[s])`` of some lanes, modulo 2**bits, with bits at most 2."""
    ones, twos = [], []
    for s in part:
        one = row[s][0] & x[s][0]
        ones.append(one)
        twos.append((row[s][1] & x[s][0]) ^ (row[s][0] & x[s][1]) ^ one)  # of -p: p1 ^ p0
    low, high = ones[0], twos[0]
    for one, two in zip(ones[1:], twos[1:], strict=True):
        high = high ^ two ^ (low & one)
        low = low ^ one
    return Cat(low, high)[:bits]
