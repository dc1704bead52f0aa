"""Smaller tables for the same function."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ops.threshold import Threshold
from hwgen.passes.narrow_thresholds import narrowed


def everywhere(x, rows):
    return np.broadcast_to(np.arange(x.lo, x.hi + 1)[:, None], (x.size, rows))


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 12), st.booleans())
def test_nothing_changes_within_the_range(seed, rows, steps, mixed):
    rng = np.random.default_rng(seed)
    x = IntRange(-9, 14)
    table = np.sort(rng.integers(-20, 25, (rows, steps)), axis=1)
    op = Threshold(table, 3, rng.integers(0, 2, rows) * mixed)
    small, every = narrowed(op, x), everywhere(x, rows)
    np.testing.assert_array_equal(small.reference(every), op.reference(every))
    y = IntRange.of_array(op.reference(every))
    assert small.steps == y.size - 1 or small is op
    assert len(small.thresholds) in (1, rows)


def test_steps_out_of_reach_go():
    op = Threshold(np.array([[-100, -5, 3, 200], [-90, 0, 4, 300]]), -8)
    small = narrowed(op, IntRange(-10, 10))
    assert small.thresholds.tolist() == [[-5, 3], [0, 4]]
    assert small.base == -7


def test_rows_that_differ_only_out_of_reach_are_one():
    op = Threshold(np.array([[-100, 3, 200], [-90, 3, 300]]), 0)
    assert narrowed(op, IntRange(-10, 10)).thresholds.tolist() == [[3]]


def test_a_tight_table_stays():
    op = Threshold(np.array([[1, 3], [2, 4]]), 0)
    assert narrowed(op, IntRange(0, 9)) is op
