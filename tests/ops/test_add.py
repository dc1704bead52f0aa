"""Weighted sums of one to three tensors, with an offset for all channels or for each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Add
from tests.hw.strategies import FEW, ranges
from tests.ops.strategies import seeds, tensors
from tests.ops.suite import check_operator, check_range_is_reached, foldings, frames_of


@st.composite
def sums(draw):
    shape = draw(tensors()).shape
    types = [TensorType(shape, draw(ranges)) for _ in range(draw(st.integers(1, 3)))]
    multipliers = tuple(draw(st.integers(-9, 9)) for _ in types)
    offsets = st.lists(st.integers(-99, 99), min_size=shape[-1], max_size=shape[-1])
    return Add(multipliers, draw(st.integers(-99, 99) | offsets.map(np.array))), types


@FEW
@given(sums(), st.data(), seeds)
def test_every_folding(case, data, seed):
    op, types = case
    if len(op.offsets) == 1:
        check_range_is_reached(op, types)
    way = data.draw(st.sampled_from(foldings(op, types)))
    check_operator(op, types, way, np.random.default_rng(seed))


@given(sums(), seeds)
def test_reference_equals_python(case, seed):
    op, types = case
    x = frames_of(types, 3, np.random.default_rng(seed))
    y = op.reference(*x)
    for place in np.ndindex(y.shape):
        terms = sum(k * int(a[place]) for k, a in zip(op.multipliers, x, strict=True))
        assert y[place] == terms + int(op.offsets[place[-1] % len(op.offsets)])


def test_range_spans_the_offsets_of_all_channels():
    x = TensorType((2,), IntRange(0, 3))
    assert Add((2, -1), np.array([-5, 7])).infer(x, x).range == IntRange(-3 - 5, 6 + 7)


@pytest.mark.parametrize(("op", "shapes", "message"), [
    (Add((1, 1)), [(2,), (3,)], "wants 2 inputs of one shape"),
    (Add((1, 1)), [(2,)], "wants 2 inputs of one shape"),
    (Add((1, 1), np.arange(3)), [(2,), (2,)], "offset has 3 channels, input 2"),
])  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(op, shapes, message):
    with pytest.raises(ValueError, match=message):
        op.infer(*(TensorType(shape, IntRange(0, 1)) for shape in shapes))


def test_nothing_is_no_sum():
    with pytest.raises(ValueError, match="needs an input"):
        Add(())
