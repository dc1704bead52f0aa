"""Bit heaps against integers: every plan, and the circuits made of it."""

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.hw.bit_heap import _STYLES, _plan, add3, compress, plan, sites

heights = st.integers(1, 9).flatmap(
    lambda width: st.tuples(
        *[st.lists(st.integers(0, 14), min_size=width, max_size=width).map(tuple)] * 2
    )
)


def total_of(steps, products, bits, values):
    """What the rows of a plan add up to, for bit values (vectors, bits), modulo 2**columns."""
    value = dict(enumerate(values.T.astype(np.int64)))
    value[-1] = np.zeros(len(values), np.int64)
    for level in steps.levels:
        for row in level:
            total = value[row.extra] + sum(
                value[bit] << k for k, three in enumerate(row.operands) for bit in three
            )
            value |= {bit: total >> k & 1 for k, bit in enumerate(row.out)}
    words = sum((value[a] + value[b]) << k for k, (a, b) in enumerate(steps.words))
    return words % (1 << len(products))


def weighed(products, bits, values):
    """The sum of the bits by their weights, modulo 2**columns."""
    columns = [c for h in (products, bits) for c, n in enumerate(h) for _ in range(n)]
    return (values << np.array(columns, np.int64)).sum(axis=1) % (1 << len(products))


@given(heights, st.integers(0, 2**32 - 1))
def test_every_style_of_plan_keeps_the_sum(case, seed):
    products, bits = case
    values = np.random.default_rng(seed).integers(0, 2, (20, sum(products) + sum(bits)))
    values[0] = 1
    for style in _STYLES:
        steps = _plan(products, bits, style)
        np.testing.assert_array_equal(
            total_of(steps, products, bits, values), weighed(products, bits, values)
        )


@given(heights)
def test_each_bit_is_used_once_and_after_it_was_made(case):
    steps = plan(*case)
    known, used = set(range(sum(map(sum, case)))), []
    for level in steps.levels:
        for row in level:
            read = [b for b in (row.extra, *(x for o in row.operands for x in o)) if b >= 0]
            assert known.issuperset(read)
            used += read
        known.update(bit for row in level for bit in row.out)
    used += [bit for pair in steps.words for bit in pair if bit >= 0]
    assert sorted(used) == sorted(known)


@settings(max_examples=15, deadline=None)
@given(heights, st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_circuits_add_and_every_path_has_the_same_registers(case, registers, seed):
    products, bits = case
    count = sum(products) + sum(bits)
    if not count:
        return
    m, x = Module(), Signal(count)
    m.d.sync += Signal().eq(0)  # the clock, where nothing else is registered

    def register(value):
        later = Signal(value.shape())
        m.d.sync += later.eq(value)
        return later

    numbers = iter(range(count))
    columns = [[[x[next(numbers)] for _ in range(n)] for n in h] for h in case]
    width = len(products)
    words = compress(m, *columns, registers, register)
    total = add3(m, *words, 0, width)
    values = np.random.default_rng(seed).integers(0, 2, (8, count))
    want = weighed(products, bits, values).tolist()
    seen = []

    async def run(ctx):
        for cycle in range(len(values) + registers):
            row = values[min(cycle, len(values) - 1)]
            ctx.set(x, int("".join(map(str, row[::-1])), 2))
            await ctx.delay(1e-9)
            seen.append(ctx.get(total))
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    assert seen[registers:] == want


@pytest.mark.parametrize("width", [1, 2, 3])
def test_three_words_exhaustively(width):
    m = Module()
    a, b, c = (Signal(width, name=name) for name in "abc")
    total = add3(m, a, b, c, width + 2)
    fixed = add3(m, a, b, -3, width + 2)

    async def run(ctx):
        for x in range(1 << (3 * width)):
            words = [x >> (k * width) & ((1 << width) - 1) for k in range(3)]
            for signal, value in zip((a, b, c), words, strict=True):
                ctx.set(signal, value)
            await ctx.delay(1e-9)
            assert ctx.get(total) == sum(words)
            assert ctx.get(fixed) == (words[0] + words[1] - 3) % (1 << (width + 2))

    simulator = Simulator(m)
    simulator.add_testbench(run)
    simulator.run()


def test_words_are_extended_by_their_sign():
    m, a = Module(), Signal(3)
    total = add3(m, a.as_signed(), Const(0, 1), Const(0, 1), 6)

    async def run(ctx):
        ctx.set(a, 0b101)
        await ctx.delay(1e-9)
        assert ctx.get(total) == 0b111101

    simulator = Simulator(m)
    simulator.add_testbench(run)
    simulator.run()


@pytest.mark.parametrize(
    ("bits", "limit"), [(1, 1.2), (2, 4.7), (4, 16.0), (8, 56.0)], ids=["w1", "w2", "w4", "w8"]
)
def test_sites_per_product_stay_low(bits, limit):
    """64 products of equal width: the plan's own estimate of LUT sites."""
    heights = [64 * max(0, bits - abs(c - bits + 1)) for c in range(2 * bits + 6)]
    steps = plan(tuple(heights), (0,) * len(heights))
    assert sites(steps, sum(heights)) <= limit * 64
