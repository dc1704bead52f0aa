"""The unrolled product as a stream component: integers, stalls, resets, and its stated timing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.constant_product import product_registers
from hwgen.hw.register_slice import RegisterSlice
from hwgen.hw.unrolled_product import UnrolledProduct
from hwgen.ops.matmul import accumulator_range
from tests.hw.harness import check
from tests.hw.strategies import FEW, integers, ranges, seeds


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 8), st.booleans(), seeds)
def test_is_the_product(rows, columns, w_bits, signed, seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-(1 << w_bits), (1 << w_bits) + 1, (rows, columns))
    x_range = IntRange.of_bits(4, signed=signed)
    x = integers(seed, x_range, 12, rows)
    component = UnrolledProduct(x_range, weight, accumulator_range(weight, x_range))
    component.interval = 1
    check(component, x, x @ weight, frames=12, seed=seed)


@pytest.mark.parametrize(("rows", "registers"), [(1, 1), (4, 1), (128, 1), (256, 2), (5000, 3)])
def test_registers_follow_the_depth(rows, registers):
    assert product_registers(np.ones((rows, 2), int)) == registers


@FEW
@given(lanes=st.integers(1, 4), range_=ranges, seed=seeds)
def test_a_register_slice_passes_every_beat(lanes, range_, seed):
    x = integers(seed, range_, 40, lanes)
    check(RegisterSlice(lanes, range_), x, x, frames=40, seed=seed)
