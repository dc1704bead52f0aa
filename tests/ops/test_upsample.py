"""Pixels repeated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Upsample
from tests.hw.strategies import FEW
from tests.ops.strategies import factors, images, seeds
from tests.ops.suite import check_operator, check_range_is_reached, foldings

operators = st.builds(Upsample, factors)


@FEW
@given(operators, images(), st.data(), seeds)
def test_every_folding(op, x, data, seed):
    check_range_is_reached(op, [x])
    way = data.draw(st.sampled_from(foldings(op, [x])))
    check_operator(op, [x], way, np.random.default_rng(seed))


@given(operators, images())
def test_every_pixel_comes_from_its_block(op, type_):
    x = np.arange(type_.size).reshape(1, *type_.shape)
    y = op.reference(x)[0]
    for row, column in np.ndindex(y.shape[:2]):
        source = x[0, row // op.factor[0], column // op.factor[1]]
        np.testing.assert_array_equal(y[row, column], source)


def test_memory_holds_two_rows_or_two_pixels():
    x = TensorType((4, 5, 6), IntRange(0, 1))
    for factor, block in (((2, 2), 5 * 6), ((1, 2), 6)):
        (lowering, folding), *_ = foldings(Upsample(factor), [x])
        assert lowering.build(Upsample(factor), folding, x).block == block


def test_bad_factor_is_refused():
    with pytest.raises(ValueError, match="factor positive"):
        Upsample((0, 1)).infer(TensorType((4, 4, 1), IntRange(0, 1)))
