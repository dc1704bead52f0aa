"""The folded matrix-vector unit against NumPy: every folding, kind of weight, stalls, reset."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import encode, tree_registers, weight_bits
from hwgen.hw.mac_array import MacArray
from hwgen.lowering import divisors
from hwgen.ops.matmul import accumulator_range
from tests.hw.harness import measure, simulate


@st.composite
def arrays(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 8))
    kind = draw(st.sampled_from(["bipolar", "ternary", "unsigned", "signed"]))
    bits = draw(st.integers(1, 8))
    low, high = {
        "bipolar": (0, 1), "ternary": (-1, 1), "unsigned": (0, 2**bits - 1),
        "signed": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
    }[kind]  # fmt: skip
    weight = rng.integers(low, high + 1, (rows, columns))
    weight = 2 * weight - 1 if kind == "bipolar" else weight
    x_range = IntRange.of_bits(draw(st.integers(1, 8)), signed=draw(st.booleans()))
    pe, simd = draw(st.sampled_from(divisors(columns))), draw(st.sampled_from(divisors(rows)))
    x = rng.integers(x_range.lo, x_range.hi + 1, (4, rows))
    array = MacArray(x_range, weight, accumulator_range(weight, x_range), pe=pe, simd=simd)
    return array, x


@settings(max_examples=40)
@given(arrays(), st.sampled_from([0.0, 0.4]), st.integers(0, 99))
def test_products_are_exact_under_stalls(case, stall, seed):
    array, x = case
    result = simulate(
        array, x.reshape(-1, array.simd), stall_in=stall, stall_out=stall, seed=seed,
        expected_beats=len(x) * array.passes,
    )  # fmt: skip
    np.testing.assert_array_equal(result.output.reshape(len(x), -1), x @ array.weight)


@settings(max_examples=25)
@given(arrays())
def test_timing_is_as_documented(case):
    array, x = case
    measured = measure(
        array, x.reshape(-1, array.simd), frames=len(x), expected_beats=len(x) * array.passes
    )
    assert measured == (array.interval, array.latency)


def test_reset_in_the_middle_of_a_vector():
    rng = np.random.default_rng(1)
    weight, x = rng.integers(-4, 4, (6, 4)), rng.integers(0, 16, (3, 6))
    x_range = IntRange(0, 15)
    array = MacArray(x_range, weight, accumulator_range(weight, x_range), pe=2, simd=3)
    result = simulate(array, x.reshape(-1, 3), expected_beats=6, reset_at=5)
    np.testing.assert_array_equal(result.output.reshape(3, 4), x @ weight)


@pytest.mark.parametrize("terms", range(1, 40))
def test_tree_registers_bound_the_logic_between_registers(terms):
    levels = (terms - 1).bit_length() + 1  # adders, and the products
    assert 0 <= levels - 3 * tree_registers(terms) < 3


def test_bipolar_weights_take_one_bit():
    assert weight_bits(np.array([[1, -1]])) == 1
    assert encode(np.array([[1, -1]])).tolist() == [[1, 0]]
    assert weight_bits(np.array([[1, 0, -1]])) == 2


def test_illegal_folding_is_refused():
    with pytest.raises(ValueError, match="PE must divide 4 and SIMD 6, not 3 and 2"):
        MacArray(IntRange(0, 1), np.ones((6, 4), int), IntRange(0, 6), pe=3, simd=2)
