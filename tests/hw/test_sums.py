"""The two circuits that add pixels: a tree, and accumulators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.frame_sum import FrameSum
from hwgen.hw.sum_tree import SumTree
from tests.hw.harness import check
from tests.hw.strategies import FEW, integers, ranges, seeds

sizes = st.integers(1, 5)


def times(range_: IntRange, count: int) -> IntRange:
    """The range of ``count`` elements' sum."""
    return range_ * IntRange(count, count)


@FEW
@given(st.integers(1, 20), st.integers(1, 3), ranges, seeds)
def test_tree(groups, lanes, range_, seed):
    x = integers(seed, range_, 6, groups, lanes)
    component = SumTree(range_, times(range_, groups), groups, lanes)
    check(component, x.reshape(6, -1), x.sum(axis=1), frames=6, seed=seed)


@FEW
@given(sizes, sizes, st.integers(1, 3), ranges, seeds)
def test_frame(pixels, groups, lanes, range_, seed):
    x = integers(seed, range_, 4, pixels, groups, lanes)
    component = FrameSum(range_, times(range_, pixels), pixels, groups, lanes)
    y = x.sum(axis=1).reshape(-1, lanes)
    check(component, x.reshape(-1, lanes), y, frames=4, seed=seed)


def test_bad_arguments():
    with pytest.raises(ValueError, match="groups must be at least 1"):
        SumTree(IntRange(0, 1), IntRange(0, 1), 0, 1)
    with pytest.raises(ValueError, match="pixels and groups must be positive"):
        FrameSum(IntRange(0, 1), IntRange(0, 1), 0, 1, 1)
