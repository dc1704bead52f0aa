"""Positions of the greatest: order, ties, every folding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import TopK
from tests.hw.strategies import ranges
from tests.ops.strategies import seeds
from tests.ops.suite import check_inference, check_operator, foldings, frames_of


@st.composite
def tops(draw):
    channels = draw(st.sampled_from([1, 2, 3, 4, 6, 10]))
    x = TensorType(draw(st.sampled_from([(channels,), (2, 2, channels)])), draw(ranges))
    k = draw(st.one_of(st.just(1), st.integers(1, channels)))
    return TopK(k), [x], np.random.default_rng(draw(seeds))


@settings(max_examples=30)
@given(tops(), st.data())
def test_every_folding(case, data):
    op, types, rng = case
    check_operator(op, types, data.draw(st.sampled_from(foldings(op, types))), rng)


@given(tops())
def test_reference_sorts(case):
    op, types, rng = case
    check_inference(op, types, rng)
    (x,) = frames_of(types, 4, rng)
    y = op.reference(x)
    for place in np.ndindex(x.shape[:-1]):
        values = x[place].tolist()
        order = sorted(range(len(values)), key=lambda i: (-values[i], i))
        assert y[place].tolist() == order[: op.k]


def test_ties_go_to_the_lower_index():
    assert TopK(3).reference(np.array([[2, 5, 5, 2, 5]])).tolist() == [[1, 2, 4]]
    assert TopK(1).reference(np.array([[0, 0, 0]])).tolist() == [[0]]


@pytest.mark.parametrize("k", [0, 4])
def test_there_must_be_so_many(k):
    with pytest.raises(ValueError, match=r"k must be in 1\.\.3"):
        TopK(k).infer(TensorType((3,), IntRange(0, 1)))
