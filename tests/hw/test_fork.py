import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.fork import Fork
from tests.hw.harness import check, simulate
from tests.hw.strategies import FEW, integers, ranges, seeds


@FEW
@given(st.integers(1, 3), ranges, st.integers(1, 4), seeds)
def test_every_output_has_every_beat(lanes, range_, n, seed):
    x = integers(seed, range_, 40, lanes)
    check(Fork(lanes, range_, n), x, [x] * n, frames=40, seed=seed)


def test_is_eager():
    """A consumer takes its copy as soon as it can, whatever the other does."""
    x = integers(0, IntRange(0, 9), 60, 1)
    result = simulate(Fork(1, IntRange(0, 9), 2), x, expected_beats=[60, 60], stall_out=0.5)
    first, second = result.out_cycles
    assert (first < second).any() and (second < first).any()


def test_bad_arguments():
    with pytest.raises(ValueError, match="n must be at least 1, not 0"):
        Fork(1, IntRange(0, 1), 0)
