"""Adder trees against the matrix: exact, within their depth, deterministic, no dearer than apart."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_tree import adder_bits, count_digits, differences, sum_columns
from tests.hw.test_adder_graph import matrices


@settings(max_examples=60, deadline=None)
@given(matrices(), st.sampled_from([1, 6, 10]))
def test_trees_are_exact_and_as_deep_as_they_may_be(case, levels):
    weight, x_range = case
    graph = sum_columns(weight, x_range, levels)
    rng = np.random.default_rng(0)
    x = rng.integers(x_range.lo, x_range.hi + 1, (30, len(weight)))
    np.testing.assert_array_equal(graph.evaluate(x), x @ weight)
    assert all(len(terms) <= 1 for terms in graph.outputs)
    needed = (int(count_digits(weight).max(initial=1)) - 1).bit_length()
    assert graph.depth <= max(levels, needed)


@settings(max_examples=40, deadline=None)
@given(matrices(), st.integers(1, 6))
def test_columns_are_their_differences_added_up(case, longest):
    weight, _ = case
    tree = differences(weight, longest)
    made, chain = np.zeros_like(weight), {-1: 0}
    for n in tree.order:
        parent = tree.parent[n]
        above = tree.sign[n] * made[:, parent] if parent >= 0 else 0
        made[:, n] = tree.matrix[:, n] + above
        chain[n] = chain[parent] + 1
    np.testing.assert_array_equal(made, weight)
    assert max(chain.values()) <= longest
    assert tree.height == [
        max((chain[k] - chain[n] for k in tree.order if n in _path(tree, k)), default=0)
        for n in range(weight.shape[1])
    ]


def _path(tree, n):
    """The column, and those that it is made from."""
    while n >= 0:
        yield n
        n = tree.parent[n]


def test_columns_that_resemble_each_other_cost_their_differences():
    rng = np.random.default_rng(0)
    base = rng.integers(-1, 2, (32, 1))
    near = np.where(rng.random((32, 12)) < 0.1, rng.integers(-1, 2, (32, 12)), base)
    apart = rng.integers(-1, 2, (32, 12))
    x = IntRange(0, 15)
    assert 2 * adder_bits(sum_columns(near, x, 10)) < adder_bits(sum_columns(apart, x, 10))


def test_two_searches_make_the_same_graph():
    weight = np.random.default_rng(3).integers(-8, 8, (24, 20))
    assert sum_columns(weight, IntRange(-8, 7), 9) == sum_columns(weight, IntRange(-8, 7), 9)
