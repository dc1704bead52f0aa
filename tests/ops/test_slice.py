"""Parts of frames: crops, strides, ranges of channels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Slice
from tests.hw.strategies import FEW
from tests.ops.strategies import seeds, tensors
from tests.ops.suite import check_operator, check_range_is_reached, foldings


@st.composite
def slices(draw):
    x = draw(tensors())
    starts = [draw(st.integers(0, size - 1)) for size in x.shape]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, x.shape, strict=True)]
    steps = [draw(st.sampled_from([1, 1, 2, 3])) for _ in x.shape]
    return Slice(tuple(starts), tuple(stops), tuple(steps)), [x]


@FEW
@given(slices(), st.data(), seeds)
def test_every_folding(case, data, seed):
    op, types = case
    check_range_is_reached(op, types)
    way = data.draw(st.sampled_from(foldings(op, types)))
    check_operator(op, types, way, np.random.default_rng(seed))


@given(slices())
def test_element_by_element(case):
    op, (type_,) = case
    x = np.arange(type_.size).reshape(1, *type_.shape)
    y = op.reference(x)[0]
    for place in np.ndindex(y.shape):
        at = tuple(a + k * s for a, k, s in zip(op.starts, place, op.steps, strict=True))
        assert y[place] == x[0][at]


@pytest.mark.parametrize(("start", "stop", "step"), [(2, 2, 1), (0, 5, 1), (-1, 2, 1), (0, 2, 0)])
def test_what_is_no_part_is_refused(start, stop, step):
    with pytest.raises(ValueError, match="is no part of an axis of 4"):
        Slice((start,), (stop,), (step,)).infer(TensorType((4,), IntRange(0, 1)))


def test_an_axis_without_bounds_is_refused():
    with pytest.raises(ValueError, match="each axis"):
        Slice((0,), (1,), (1,)).infer(TensorType((4, 4, 1), IntRange(0, 1)))
