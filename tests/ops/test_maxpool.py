"""Maximum over windows: geometry, borders, every folding."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import MaxPool
from tests.hw.strategies import ranges
from tests.ops.strategies import seeds
from tests.ops.suite import check_inference, check_operator, foldings, frames_of


def seen(op: MaxPool, shape: tuple[int, ...], oy: int, ox: int) -> list[tuple[int, int]]:
    """The pixels of the image that one window covers."""
    top, left, _, _ = op.padding
    rows = [oy * op.stride[0] - top + i * op.dilation[0] for i in range(op.kernel[0])]
    columns = [ox * op.stride[1] - left + j * op.dilation[1] for j in range(op.kernel[1])]
    return [(r, c) for r in rows for c in columns if 0 <= r < shape[0] and 0 <= c < shape[1]]


@st.composite
def pools(draw):
    pairs = [st.tuples(*[st.integers(1, most)] * 2) for most in (3, 3, 2)]
    kernel, stride, dilation = (draw(pair) for pair in pairs)
    padding = draw(st.sampled_from([(0,) * 4, (1,) * 4, (1, 0, 0, 2)]))
    op = MaxPool(kernel, stride, padding, dilation)
    least = [max(e - sum(padding[i::2]), 1) for i, e in enumerate(op.window.extent)]
    sides = [draw(st.integers(n, n + 4)) for n in least]
    x = TensorType((*sides, draw(st.sampled_from([1, 2, 3, 4]))), draw(ranges))
    assume(all(seen(op, x.shape, oy, ox) for oy, ox in np.ndindex(op.window.output_shape(x.shape))))
    return op, [x], np.random.default_rng(draw(seeds))


@settings(max_examples=30)
@given(pools(), st.data())
def test_every_folding(case, data):
    op, types, rng = case
    check_operator(op, types, data.draw(st.sampled_from(foldings(op, types))), rng)


@given(pools())
def test_reference_equals_a_naive_loop(case):
    op, types, rng = case
    check_inference(op, types, rng)
    (x,) = frames_of(types, 2, rng)
    y = op.reference(x)
    for n, oy, ox, c in np.ndindex(y.shape):
        assert y[n, oy, ox, c] == max(x[n, *pixel, c] for pixel in seen(op, x.shape[1:], oy, ox))


def test_a_border_never_wins():
    x = TensorType((2, 2, 1), IntRange(-9, -5))
    op = MaxPool((2, 2), (1, 1), (1, 1, 1, 1))
    y = op.reference(np.full((1, 2, 2, 1), -9))
    assert y.shape == (1, 3, 3, 1) and (y == -9).all()
    assert op.infer(x).range == x.range


def test_what_has_no_window_is_refused():
    image = TensorType((3, 3, 1), IntRange(0, 1))
    with pytest.raises(ValueError, match="does not fit the image"):
        MaxPool((4, 2), (1, 1)).infer(image)
    with pytest.raises(ValueError, match="without a pixel"):
        MaxPool((2, 2), (1, 1), (2, 0, 0, 0)).infer(image)
    with pytest.raises(ValueError, match="without a pixel"):  # both taps beside the only pixel
        MaxPool((2, 1), (1, 1), (1, 0, 1, 0), (2, 1)).infer(TensorType((1, 1, 1), IntRange(0, 1)))
    with pytest.raises(ValueError, match="must be"):
        MaxPool((2, 2), (1, 1)).infer(TensorType((9,), IntRange(0, 1)))
