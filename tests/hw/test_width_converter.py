from math import lcm

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.width_converter import WidthConverter
from tests.hw.harness import check, to_beats
from tests.hw.strategies import FEW, integers, ranges, seeds


@FEW
@given(lanes_in=st.integers(1, 9), lanes_out=st.integers(1, 9), range_=ranges, seed=seeds)
@example(4, 4, IntRange(-3, 3), 0)  # wire
@example(8, 2, IntRange(-3, 3), 0)  # select
@example(2, 8, IntRange(-3, 3), 0)  # collect
@example(6, 4, IntRange(-3, 3), 0)  # gearbox with a granule of 2
@example(4, 6, IntRange(-3, 3), 0)
def test_same_elements_in_other_beats(lanes_in, lanes_out, range_, seed):
    x = integers(seed, range_, 5 * lcm(lanes_in, lanes_out))
    component = WidthConverter(range_, lanes_in, lanes_out)
    check(component, to_beats(x, lanes_in), to_beats(x, lanes_out), frames=5, seed=seed)
    assert component.interval == lcm(lanes_in, lanes_out) // min(lanes_in, lanes_out)


@pytest.mark.parametrize("lanes", [(0, 1), (1, 0), (-2, 2)])
def test_lanes_must_be_positive(lanes):
    with pytest.raises(ValueError, match="lanes must be at least 1"):
        WidthConverter(IntRange(0, 1), *lanes)
