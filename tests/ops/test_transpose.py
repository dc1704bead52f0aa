"""Axes permuted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Transpose
from tests.hw.strategies import FEW
from tests.ops.strategies import images, seeds
from tests.ops.suite import check_operator, check_range_is_reached, foldings

operators = st.permutations(range(3)).map(tuple).map(Transpose)


@FEW
@given(operators, images(), st.data(), seeds)
def test_every_folding(op, x, data, seed):
    check_range_is_reached(op, [x])
    way = data.draw(st.sampled_from(foldings(op, [x])))
    check_operator(op, [x], way, np.random.default_rng(seed))


@given(operators, images(), seeds)
def test_reference_moves_each_element(op, x, seed):
    frames = np.random.default_rng(seed).integers(x.range.lo, x.range.hi + 1, (2, *x.shape))
    y = op.reference(frames)
    for n, *place in np.ndindex(frames.shape):
        assert y[n, *(place[axis] for axis in op.axes)] == frames[n, *place]


def test_axes_are_a_permutation_of_the_frame():
    with pytest.raises(ValueError, match="must be a permutation"):
        Transpose((0, 0, 1))
    with pytest.raises(ValueError, match="has not 2 axes"):
        Transpose((1, 0)).infer(TensorType((2, 3, 4), IntRange(0, 1)))
