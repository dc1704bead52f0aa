import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.fifo import DISTRIBUTED, StreamFIFO
from tests.hw.harness import check, simulate
from tests.hw.strategies import integers, ranges, seeds

DEPTHS = [0, 1, 2, 3, 5, 8, DISTRIBUTED, DISTRIBUTED + 1, 100]


@pytest.mark.parametrize("depth", DEPTHS)
@settings(max_examples=5)
@given(lanes=st.integers(1, 3), range_=ranges, seed=seeds)
def test_passes_every_beat(depth, lanes, range_, seed):
    x = integers(seed, range_, 60, lanes)
    check(StreamFIFO(lanes, range_, depth), x, x, frames=60, seed=seed)


@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_holds_depth_beats(depth):
    """While the output stands still, exactly ``depth`` beats enter."""
    x = integers(0, IntRange(0, 9), depth + 5, 1)
    with pytest.raises(AssertionError, match=f"i {depth} of {depth + 5}, o 0 of"):
        simulate(StreamFIFO(1, IntRange(0, 9), depth), x, expected_beats=len(x), stall_out=1.0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="depth must be at least 0, not -1"):
        StreamFIFO(1, IntRange(0, 1), -1)
