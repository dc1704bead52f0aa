import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.pad import Pad
from tests.hw.harness import check, to_beats
from tests.hw.strategies import FEW, integers, lanes_of, ranges, seeds

sides = st.sampled_from([0, 0, 1, 2])


@FEW
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 2, 4])),
    st.tuples(sides, sides, sides, sides),
    ranges,
    st.integers(-30, 30),
    seeds,
    st.data(),
)
def test_is_numpy_pad(shape, padding, range_, value, seed, data):
    check_pad(shape, data.draw(lanes_of(shape[2])), padding, range_, value, seed)


@pytest.mark.parametrize("padding", [
    (0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (2, 0, 1, 0), (1, 1, 1, 1)
])  # fmt: skip
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 2), (1, 3, 1)])
def test_each_side(shape, padding):
    check_pad(shape, 1, padding, IntRange(0, 5), -2, 0)


def check_pad(shape, lanes, padding, range_, value, seed):
    x = integers(seed, range_, 4, *shape)
    top, left, bottom, right = padding
    y = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)
    component = Pad(range_, shape, lanes, padding, value)
    if any(padding):
        assert component.output_range == range_ | IntRange(value, value)
    check(component, to_beats(x, lanes), to_beats(y, lanes), frames=4, seed=seed)


@pytest.mark.parametrize(("arguments", "message"), [
    (((2, 2, 3), 2, (1, 1, 1, 1)), "lanes must divide 3 channels, not 2"),
    (((2, 2, 3), 3, (1, -1, 1, 1)), "padding must be at least 0"),
    (((2, 0, 3), 3, (1, 1, 1, 1)), "shape must be positive"),
])  # fmt: skip
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Pad(IntRange(0, 1), *arguments)
