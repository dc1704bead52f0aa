"""Matrix product: every folding, every kind of weight, integers of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import MatMul
from hwgen.ops.matmul import accumulator_range
from tests.ops.strategies import seeds
from tests.ops.suite import check_inference, check_operator, foldings, frames_of


@st.composite
def products(draw):
    rng = np.random.default_rng(draw(seeds))
    rows, columns = (
        draw(st.sampled_from([1, 2, 3, 4, 6, 8])),
        draw(st.sampled_from([1, 2, 3, 4, 6])),
    )
    shape = draw(st.sampled_from([(rows,), (3, rows), (2, 3, rows)]))
    x = IntRange.of_bits(draw(st.integers(1, 5)), signed=draw(st.booleans()))
    kind = draw(st.sampled_from(["bipolar", "ternary", "narrow", "wide", "positive", "zero"]))
    lo, hi = {"ternary": (-1, 1), "narrow": (-4, 3), "wide": (-128, 127), "positive": (0, 3),
              "zero": (0, 0), "bipolar": (0, 1)}[kind]  # fmt: skip
    weight = rng.integers(lo, hi + 1, (rows, columns))
    op = MatMul(2 * weight - 1 if kind == "bipolar" else weight)
    return op, [TensorType(shape, x)], rng


@settings(max_examples=30)
@given(products(), st.data())
def test_every_folding(case, data):
    op, types, rng = case
    check_operator(op, types, data.draw(st.sampled_from(foldings(op, types))), rng)


@given(products())
def test_reference_equals_a_naive_loop(case):
    op, types, rng = case
    check_inference(op, types, rng)
    (x,) = frames_of(types, 3, rng)
    y = op.reference(x)
    for place in np.ndindex(y.shape):
        *pixel, column = place
        terms = zip(x[tuple(pixel)].tolist(), op.weight[:, column].tolist(), strict=True)
        assert y[place] == sum(a * w for a, w in terms)


@given(products())
def test_range_is_that_of_the_best_and_the_worst_input(case):
    """Reached by the input that suits each weight's sign, except that zero is always in."""
    op, (x,), _ = case
    ends = [
        sum(max(w * x.range.lo, w * x.range.hi, key=lambda v: side * v) for w in column)
        for column in op.weight.T.tolist()
        for side in (1, -1)
    ]
    assert op.infer(x).range == IntRange.of_array([*ends, 0])


@given(products())
def test_partial_sums_stay_in_range(case):
    """Whatever the order in which a MAC array adds, its accumulator holds the sum."""
    op, types, rng = case
    (x,) = frames_of(types, 4, rng)
    terms = x.reshape(-1, len(op.weight), 1) * op.weight
    assert np.cumsum(terms, axis=1) in accumulator_range(op.weight, types[0].range)
    assert np.cumsum(terms[:, ::-1], axis=1) in accumulator_range(op.weight, types[0].range)


@pytest.mark.parametrize("bits", [24, 30, 40])
def test_large_integers_are_exact(bits):
    """Beyond 2^53, where float64 would round."""
    rng = np.random.default_rng(bits)
    x = rng.integers(-(1 << bits), 1 << bits, (5, 7))
    op = MatMul(rng.integers(-(1 << 20), 1 << 20, (7, 3)))
    exact = x.astype(object) @ op.weight.astype(object)
    assert (op.reference(x).astype(object) == exact).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="weight must be"):
        MatMul(np.zeros(3))
    with pytest.raises(ValueError, match="input has 4 channels, weight 3 rows"):
        MatMul(np.zeros((3, 2))).infer(TensorType((4,), IntRange(0, 1)))


def test_work_is_counted():
    assert MatMul(np.ones((3, 2))).macs(TensorType((4, 5, 3), IntRange(0, 1))) == 4 * 5 * 3 * 2
