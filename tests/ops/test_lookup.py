"""Tables of any function, for all channels alike or for each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Lookup
from tests.hw.strategies import FEW
from tests.ops.strategies import seeds, tensors
from tests.ops.suite import check_operator, foldings, frames_of


@st.composite
def lookups(draw):
    x, rng = draw(tensors()), np.random.default_rng(draw(seeds))
    rows, below, above = (
        draw(st.sampled_from([1, x.channels])),
        *draw(st.tuples(*[st.integers(0, 3)] * 2)),
    )
    table = rng.integers(draw(st.integers(-99, 0)), 99, (rows, below + x.range.size + above))
    return Lookup(table, x.range.lo - below), [x], rng


@FEW
@given(lookups(), st.data())
def test_every_folding(case, data):
    op, types, rng = case
    check_operator(op, types, data.draw(st.sampled_from(foldings(op, types))), rng)


@given(lookups())
def test_element_by_element(case):
    op, types, rng = case
    (x,) = frames_of(types, 3, rng)
    y = op.reference(x)
    for place in np.ndindex(x.shape):
        assert y[place] == op.table[place[-1] % len(op.table)][x[place] - op.lo]


@given(lookups())
def test_range_is_that_of_the_entries_that_are_reached(case):
    op, (x,), _ = case
    every = np.arange(x.range.lo, x.range.hi + 1)
    reached = [op.reference(np.full((1, *x.shape), value)) for value in every]
    assert op.infer(x).range == IntRange.of_array(np.array(reached))


@pytest.mark.parametrize(("range_", "origin"), [
    (IntRange(-4, 3), 0), (IntRange(0, 200), 0), (IntRange(-1, 6), -1),
    (IntRange(100, 101), 100), (IntRange(-100, -99), -100),
])  # fmt: skip
def test_addresses_are_the_bits_of_x_where_these_are_as_short(range_, origin):
    x, op = TensorType((1,), range_), Lookup(np.arange(range_.size)[None], range_.lo)
    ((lowering, folding),) = foldings(op, [x])
    assert lowering.build(op, folding, x).origin == origin


def test_what_does_not_fit_is_refused():
    op, x = Lookup(np.zeros((2, 4)), 0), TensorType((2,), IntRange(0, 4))
    with pytest.raises(ValueError, match=r"does not reach over 0\.\.4"):
        op.infer(x)
    with pytest.raises(ValueError, match="input has 3 channels, table 2"):
        op.infer(TensorType((3,), IntRange(0, 3)))
    with pytest.raises(ValueError, match="table must be"):
        Lookup(np.zeros((1, 4097)), 0)
