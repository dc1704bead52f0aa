import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.function_table import FunctionTable
from tests.hw.harness import simulate
from tests.hw.strategies import FEW, integers, ranges, seeds


@FEW
@given(ranges, ranges, st.sampled_from([(1, 2, 1), (4, 2, 2), (3, 3, 1), (6, 1, 6)]), seeds)
def test_every_entry(x_range, y_range, sizes, seed):
    """``sizes``: rows of the table, lanes, groups of lanes. Every x passes every lane and group."""
    rows, lanes, groups = sizes
    table = integers(seed, y_range, rows, x_range.size)
    every = np.arange(x_range.lo, x_range.hi + 1)
    x = np.broadcast_to(every[:, None], (len(every), lanes * groups))
    y = table[np.arange(lanes * groups) % rows, x - x_range.lo]
    for options in ({}, {"stall_in": 0.3, "stall_out": 0.3}, {"stall_out": 0.5, "reset_at": 3}):
        result = simulate(FunctionTable(x_range, y_range, table, lanes), x.reshape(-1, lanes),
                          expected_beats=len(every) * groups, seed=seed, **options)  # fmt: skip
        np.testing.assert_array_equal(result.output, y.reshape(-1, lanes))
        if not options:
            np.testing.assert_array_equal(result.out_cycles[0], result.in_cycles[0] + 1)


@pytest.mark.parametrize(("rows", "size", "lanes"), [(1, 3, 1), (3, 4, 2)])
def test_bad_arguments(rows, size, lanes):
    with pytest.raises(ValueError, match="suits neither"):
        FunctionTable(IntRange(0, 3), IntRange(0, 1), np.zeros((rows, size), int), lanes)
