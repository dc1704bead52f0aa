"""Products by rows of digits against multiplication, for every x and every stored factor."""

from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Array, Const, Module, Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.hw.digit_rows import DigitRows, add_row, dropped, radix4, signed_digits


def products(rows: DigitRows, n: int) -> np.ndarray:
    """What the rows make of every pair (number of the factor, x)."""
    m, x, i = Module(), Signal(rows.bits), Signal(range(max(n, 2)))
    total = Signal(max(int(rows.offsets.max()).bit_length(), 1))
    m.d.comb += total.eq(Array([Const(int(b), len(total)) for b in rows.offsets])[i])
    unit = 0
    for row in rows.rows:
        digit = None
        if n > 1 and len(row.digits) == n:
            digit = Signal(2)
            m.d.comb += digit.eq(Array([Const(int(d) & 3, 2) for d in row.digits])[i])
        total, unit = add_row(m, row, total, unit, x, digit), row.unit
    y = Signal(48)
    m.d.comb += y.eq(dropped(total, rows.shift - unit))
    found = np.zeros((n, 1 << rows.bits), np.int64)

    async def bench(ctx):
        for place in np.ndindex(*found.shape):
            ctx.set(i, place[0])
            ctx.set(x, place[1])
            await ctx.delay(1e-9)
            found[place] = ctx.get(y)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_rows_multiply(data):
    n, bits = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5))
    m = np.array(data.draw(st.lists(st.integers(0, 200), min_size=n, max_size=n)))
    b = np.array(data.draw(st.lists(st.integers(0, 3000), min_size=n, max_size=n)))
    rows = DigitRows.of(m, b, bits, data.draw(st.integers(0, 9)))
    wanted = (m[:, None] * np.arange(1 << bits) + b[:, None]) >> rows.shift
    np.testing.assert_array_equal(products(rows, n), wanted)
    assert wanted.max() <= rows.result.hi
    assert wanted.min() >= rows.result.lo


@given(st.lists(st.integers(0, 1 << 27), min_size=1, max_size=5))
def test_digits_are_the_number(numbers):
    m = np.array(numbers)
    assert (sum((d << p for p, d in radix4(m)), np.zeros_like(m)) == m).all()
    assert all(np.isin(d, (-1, 0, 1, 2)).all() for _, d in radix4(m))
    for number in numbers:
        digits = signed_digits(number)
        assert sum(int(d[0]) << p for p, d in digits) == number
        places = [p for p, _ in digits]
        assert all(b - a > 1 for a, b in pairwise(places))


@pytest.mark.parametrize(("m", "luts"), [(1, 0), (4, 0), (5, 1)])
def test_a_power_of_two_costs_nothing(m, luts):
    assert bool(DigitRows.of(np.array([m]), np.array([0]), 8, 4).luts) == bool(luts)
