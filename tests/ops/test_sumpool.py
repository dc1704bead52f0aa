"""Sums over windows and over whole images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import SumPool
from tests.hw.strategies import FEW
from tests.ops.strategies import factors, images, seeds
from tests.ops.suite import check_operator, check_range_is_reached, foldings, frames_of


@st.composite
def pools(draw):
    kernel = kh, kw = draw(factors)
    dilation = dh, dw = draw(st.sampled_from([(1, 1), (1, 1), (2, 1)]))
    padding = draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 2, 1)]))
    stride = draw(st.sampled_from([(1, 1), (2, 2), (1, 3), kernel]))
    x = draw(images(sides=st.integers(max((kh - 1) * dh, (kw - 1) * dw) + 1, 6)))
    if draw(st.booleans()):
        return SumPool(x.shape[:2]), [x]
    return SumPool(kernel, stride, padding, dilation), [x]


@FEW
@given(pools(), st.data(), seeds)
def test_every_folding(case, data, seed):
    op, types = case
    check_range_is_reached(op, types)
    way = data.draw(st.sampled_from(foldings(op, types)))
    check_operator(op, types, way, np.random.default_rng(seed))


@given(pools(), seeds)
def test_reference_equals_a_naive_loop(case, seed):
    op, types = case
    (x,) = frames_of(types, 2, np.random.default_rng(seed))
    y, (top, left, _, _) = op.reference(x)[0], op.padding
    for row, column in np.ndindex(y.shape[:2]):
        total = np.zeros(y.shape[2], np.int64)
        for i, j in np.ndindex(op.kernel):
            r = row * op.stride[0] + i * op.dilation[0] - top
            c = column * op.stride[1] + j * op.dilation[1] - left
            if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                total += x[0, r, c]
        np.testing.assert_array_equal(y[row, column], total)


def test_whole_image_takes_no_line_buffer():
    x = TensorType((7, 7, 4), IntRange(0, 15))
    assert [lowering.name for lowering, _ in foldings(SumPool((7, 7)), [x])] == ["global"] * 3
    assert [lowering.name for lowering, _ in foldings(SumPool((7, 6)), [x])] == ["parallel"] * 3


def test_a_vector_has_no_windows():
    with pytest.raises(ValueError, match=r"input must be \(H, W, C\)"):
        SumPool((1, 1)).infer(TensorType((4,), IntRange(0, 1)))
