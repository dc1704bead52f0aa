import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.skid_buffer import SkidBuffer
from tests.hw.harness import check, simulate
from tests.hw.strategies import FEW, integers, ranges, seeds


@FEW
@given(lanes=st.integers(1, 4), range_=ranges, seed=seeds)
def test_passes_every_beat(lanes, range_, seed):
    x = integers(seed, range_, 40, lanes)
    check(SkidBuffer(lanes, range_), x, x, frames=40, seed=seed)


def test_holds_two_beats():
    x = integers(0, IntRange(0, 9), 3, 1)
    with pytest.raises(AssertionError, match="i 2 of 3, o 0 of 3"):
        simulate(SkidBuffer(1, IntRange(0, 9)), x, expected_beats=3, stall_out=1.0)
