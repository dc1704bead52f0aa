"""Rows and columns put in between: transposed convolution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Conv, Interleave
from tests.hw.strategies import FEW
from tests.ops.strategies import factors, images, seeds
from tests.ops.suite import check_operator, check_range_is_reached, foldings

operators = st.builds(Interleave, factors, st.integers(-30, 30))


@FEW
@given(operators, images(), st.data(), seeds)
def test_every_folding(op, x, data, seed):
    check_range_is_reached(op, [x])
    way = data.draw(st.sampled_from(foldings(op, [x])))
    check_operator(op, [x], way, np.random.default_rng(seed))


@given(images(), st.tuples(st.integers(1, 3), st.integers(1, 3)), factors, seeds)
def test_before_a_convolution_it_is_a_transposed_one(type_, kernel, stride, seed):
    """Every pixel adds its multiple of the kernel to the output, ``stride`` apart."""
    rng = np.random.default_rng(seed)
    (height, width, ci), (kh, kw), (sh, sw) = type_.shape, kernel, stride
    x, weight = rng.integers(-9, 9, (2, *type_.shape)), rng.integers(-9, 9, (kh, kw, ci, 3))
    y = np.zeros((2, (height - 1) * sh + kh, (width - 1) * sw + kw, 3), np.int64)
    for r, c in np.ndindex(height, width):
        block = np.einsum("nc,ijcd->nijd", x[:, r, c], weight)
        y[:, r * sh : r * sh + kh, c * sw : c * sw + kw] += block
    border = (kh - 1, kw - 1, kh - 1, kw - 1)
    conv = Conv(weight[::-1, ::-1], padding=border)
    np.testing.assert_array_equal(conv.reference(Interleave(stride).reference(x)), y)


def test_bad_operands_are_refused():
    with pytest.raises(ValueError, match=r"input must be \(H, W, C\)"):
        Interleave((2, 2)).infer(TensorType((4,), IntRange(0, 1)))
    with pytest.raises(ValueError, match="factor positive"):
        Interleave((0, 2)).infer(TensorType((4, 4, 1), IntRange(0, 1)))
