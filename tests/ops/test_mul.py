"""Products of equal shapes, and of an image and its channels' gates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Mul
from tests.hw.strategies import FEW, ranges
from tests.ops.strategies import seeds, tensors
from tests.ops.suite import check_operator, check_range_is_reached, foldings, frames_of


@st.composite
def operands(draw):
    x = draw(tensors())
    shape = draw(st.sampled_from([x.shape, (x.channels,), (1, 1, x.channels)]))
    return [x, TensorType(shape, draw(ranges))]


@FEW
@given(operands(), st.data(), seeds)
def test_every_folding(types, data, seed):
    check_range_is_reached(Mul(), types)
    way = data.draw(st.sampled_from(foldings(Mul(), types)))
    check_operator(Mul(), types, way, np.random.default_rng(seed))


@given(operands(), seeds)
def test_reference_equals_python(types, seed):
    a, b = frames_of(types, 3, np.random.default_rng(seed))
    y = Mul().reference(a, b)
    for place in np.ndindex(y.shape):
        gate = b[place] if a.shape == b.shape else b[place[0]].ravel()[place[-1]]
        assert y[place] == int(a[place]) * int(gate)


@pytest.mark.parametrize("gate", [(3,), (1, 2, 2), (2, 2, 1)])
def test_shapes_that_do_not_go_together_are_refused(gate):
    with pytest.raises(ValueError, match="do not go together"):
        Mul().infer(TensorType((2, 2, 2), IntRange(0, 1)), TensorType(gate, IntRange(0, 1)))
