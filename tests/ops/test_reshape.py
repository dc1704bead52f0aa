"""Another view of the same elements: nothing moves, and nothing is built."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.lowering import Lowering
from hwgen.ops import Reshape
from tests.ops.strategies import images, seeds
from tests.ops.suite import check_inference, frames_of


@given(images(), seeds, st.data())
def test_elements_keep_their_order(x, seed, data):
    shapes = [(x.size,), (1, 1, x.size), x.shape[::-1], (x.shape[0], x.size // x.shape[0])]
    op, rng = Reshape(data.draw(st.sampled_from(shapes))), np.random.default_rng(seed)
    check_inference(op, [x], rng)
    (frames,) = frames_of([x], 3, rng)
    y = op.reference(frames)
    assert [frame.ravel().tolist() for frame in y] == [frame.ravel().tolist() for frame in frames]
    assert op.infer(x).range == x.range


def test_it_is_no_hardware():
    assert Lowering.of(Reshape((3,))) == []


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="cannot become"):
        Reshape((5,)).infer(TensorType((2, 3), IntRange(0, 1)))
