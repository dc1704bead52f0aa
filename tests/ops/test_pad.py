"""The standalone border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Pad
from tests.hw.strategies import FEW
from tests.ops.strategies import images, seeds
from tests.ops.suite import check_operator, check_range_is_reached, foldings

sides = st.integers(0, 3)
operators = st.builds(
    Pad,
    st.tuples(sides, sides, sides, sides),
    st.integers(-30, 30),
    st.sampled_from([(0, 0), (2, 0), (1, 2), (4, 2), (0, 6)]),
)


@FEW
@given(operators, images(), st.data(), seeds)
def test_every_folding(op, x, data, seed):
    check_range_is_reached(op, [x])
    way = data.draw(st.sampled_from(foldings(op, [x])))
    check_operator(op, [x], way, np.random.default_rng(seed))


@given(operators, images(), seeds)
def test_the_image_stands_within_the_border(op, type_, seed):
    x = np.random.default_rng(seed).integers(-9, 9, (2, *type_.shape))
    y, (top, left, _, _), before = op.reference(x), op.padding, op.channels[0]
    inside = np.zeros(y.shape, bool)
    height, width, channels = type_.shape
    inside[:, top : top + height, left : left + width, before : before + channels] = True
    np.testing.assert_array_equal(y[inside], x.ravel())
    assert (y[~inside] == op.value).all()


def test_a_negative_border_is_refused():
    with pytest.raises(ValueError, match="padding not negative"):
        Pad((0, -1, 0, 0)).infer(TensorType((4, 4, 1), IntRange(0, 1)))
