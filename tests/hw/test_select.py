import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.loop_nest import indices
from hwgen.hw.select import Select
from tests.hw.harness import check
from tests.hw.strategies import FEW, integers, ranges, seeds


@st.composite
def selections(draw):
    """Loops whose index rises: each starts where the inner ones have ended."""
    loops, extent = [], 1
    for _ in range(draw(st.integers(0, 3))):
        count, stride = draw(st.integers(1, 3)), extent + draw(st.integers(0, 2))
        loops.append((count, stride))
        extent += (count - 1) * stride
    first = draw(st.integers(0, 3))
    return loops, first, first + extent + draw(st.integers(0, 3))


@FEW
@given(selections(), ranges, st.integers(1, 3), seeds, st.data())
def test_words_of_a_loop_nest_pass(selection, range_, lanes, seed, data):
    loops, first, frame = selection
    picks = data.draw(st.lists(st.integers(0, lanes - 1), min_size=1, max_size=3))
    x = integers(seed, range_, 4, frame, lanes)
    y = x[:, first + indices(loops)][..., picks].reshape(-1, len(picks))
    component = Select(range_, lanes, frame, loops, first, picks)
    check(component, x.reshape(-1, lanes), y, frames=4, seed=seed)


@pytest.mark.parametrize(("loops", "first"), [([(3, 2)], 2), ([(2, 0)], 0), ([], 6), ([], -1)])
def test_bad_arguments(loops, first):
    with pytest.raises(ValueError, match="must rise within 6 words"):
        Select(IntRange(0, 1), 1, 6, loops, first)


def test_all_words_are_a_wire():
    component = Select(IntRange(0, 1), 2, 12, [(4, 1), (3, 4)])
    assert component.loops == [(12, 1)]
    np.testing.assert_array_equal(component.places(), np.arange(12))
