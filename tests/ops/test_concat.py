"""Channels side by side, beat by beat or as whole pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Concat
from tests.hw.strategies import FEW, ranges
from tests.ops.strategies import seeds, tensors
from tests.ops.suite import check_operator, check_range_is_reached, foldings, frames_of


@st.composite
def operands(draw):
    *pixels, _ = draw(tensors()).shape
    channels = draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=2, max_size=4))
    return [TensorType((*pixels, c), draw(ranges)) for c in channels]


@FEW
@given(operands(), st.data(), seeds)
def test_every_folding(types, data, seed):
    check_range_is_reached(Concat(), types)
    way = data.draw(st.sampled_from(foldings(Concat(), types)))
    check_operator(Concat(), types, way, np.random.default_rng(seed))


@given(operands(), seeds)
def test_each_input_is_found_again(types, seed):
    x = frames_of(types, 3, np.random.default_rng(seed))
    y, start = Concat().reference(*x), 0
    for part in x:
        np.testing.assert_array_equal(y[..., start : start + part.shape[-1]], part)
        start += part.shape[-1]
    assert start == y.shape[-1]


def test_unequal_pixels_are_refused():
    a, b = (TensorType((2, width, 1), IntRange(0, 1)) for width in (2, 3))
    with pytest.raises(ValueError, match="equal pixels"):
        Concat().infer(a, b)
