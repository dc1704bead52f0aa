"""Adder graphs against the matrix: exact values, exact ranges, depth, sharing, determinism."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_graph import csd, linear_range
from hwgen.hw.sharing import share


@st.composite
def matrices(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 16), st.integers(1, 16)))
    bits = draw(st.integers(0, 8))
    weight = rng.integers(-(1 << bits), (1 << bits) + 1, shape)
    weight *= rng.random(shape) < draw(st.sampled_from([0.2, 0.7, 1.0]))
    x = IntRange.of_bits(draw(st.integers(1, 8)), signed=draw(st.booleans()))
    return weight, x


@given(st.lists(st.integers(-(2**20), 2**20), min_size=1))
def test_signed_digits_are_canonical(values):
    digits = dict(csd(np.array(values)))
    np.testing.assert_array_equal(
        sum((d << s for s, d in digits.items()), np.zeros(len(values), int)), values
    )
    for shift, digit in digits.items():
        assert not (digit * digits.get(shift + 1, 0)).any()


@settings(max_examples=60, deadline=None)
@given(matrices(), st.sampled_from([1.0, 1.7]), st.sampled_from([None, 1, 6]))
def test_graphs_are_exact_and_ranges_too(case, bits_per_lut, levels):
    weight, x_range = case
    graph = share(weight, x_range, bits_per_lut=bits_per_lut, levels=levels)
    rng = np.random.default_rng(0)
    x = rng.integers(x_range.lo, x_range.hi + 1, (30, len(weight)))
    np.testing.assert_array_equal(graph.evaluate(x), x @ weight)
    factors = list(np.eye(len(weight), dtype=int))
    for node in graph.nodes:
        a, b = node.a, node.b
        assert not a.negative
        assert min(a.shift, b.shift) == 0
        second = factors[b.value] << b.shift
        factors.append((factors[a.value] << a.shift) + (-second if b.negative else second))
        assert node.range == linear_range(factors[-1], x_range)


@given(matrices())
def test_a_tree_over_the_terms_keeps_the_depth(case):
    weight, x_range = case
    graph = share(weight, x_range)
    depths = [0] * graph.inputs + [node.depth for node in graph.nodes]
    digits = np.array(sum((np.abs(d) for _, d in csd(weight)), np.zeros_like(weight))).sum(axis=0)
    bound = int(max(digits.max(initial=0) - 1, 0)).bit_length() + 1
    for terms in graph.outputs:
        assert sum(2 ** depths[t.value] for t in terms) <= 2**bound


def test_common_sums_are_added_once():
    weight = np.array([[1, 3], [0, 2]]).repeat(8, axis=1)[[0, 0, 1]]
    graph = share(weight, IntRange(0, 15))
    assert graph.nodes
    assert graph.adders < sum(int((d != 0).sum()) for _, d in csd(weight)) - weight.shape[1]


@pytest.mark.parametrize("rows", [3, 4, 7, 16])
def test_bipolar_columns_are_taken_from_the_sum_of_all_inputs(rows):
    weight = np.random.default_rng(rows).choice([-1, 1], (rows, 24))
    weight[:, 0], weight[:, 1] = 1, -1
    x_range = IntRange(-3, 2)
    graph = share(weight, x_range)
    x = np.random.default_rng(0).integers(-3, 3, (30, rows))
    np.testing.assert_array_equal(graph.evaluate(x), x @ weight)
    assert max(map(len, graph.outputs)) <= rows // 2 + 1
    assert len(graph.outputs[0]) == 1


def test_zero_weights_are_free():
    graph = share(np.zeros((4, 3), int), IntRange(-8, 7))
    assert graph.adders == 0
    np.testing.assert_array_equal(graph.evaluate(np.ones((2, 4), int)), np.zeros((2, 3)))


def test_the_same_matrix_gives_the_same_graph():
    weight = np.random.default_rng(1).integers(-8, 8, (24, 24))
    assert share(weight, IntRange(0, 15)) == share(weight, IntRange(0, 15))


def test_stopping_early_is_still_exact():
    weight = np.random.default_rng(2).integers(-8, 8, (32, 32))
    graph = share(weight, IntRange(0, 15), seconds=0.0)
    assert len(graph.nodes) < len(share(weight, IntRange(0, 15)).nodes)
    x = np.arange(64).reshape(2, 32) % 16
    np.testing.assert_array_equal(graph.evaluate(x), x @ weight)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "limit"), [(128, 20), (256, 120)])
def test_large_matrices_are_solved_in_bounded_time(size, limit):
    weight = np.random.default_rng(size).integers(-8, 8, (size, size))
    started = time.process_time()
    graph = share(weight, IntRange(0, 15))
    assert time.process_time() - started <= limit
    x = np.random.default_rng(0).integers(0, 16, (5, size))
    np.testing.assert_array_equal(graph.evaluate(x), x @ weight)
