import numpy as np
import pytest
from hypothesis import given

from hwgen.core.intrange import IntRange
from hwgen.hw.insert import Insert
from hwgen.hw.loop_nest import indices
from tests.hw.harness import check, simulate
from tests.hw.strategies import FEW, integers, ranges, seeds
from tests.hw.test_select import selections


@FEW
@given(selections(), ranges, seeds)
def test_words_stand_where_the_loop_nest_says(selection, range_, seed):
    loops, first, frame = selection
    places = first + indices(loops)
    x = integers(seed, range_, 4, len(places), 2)
    y = np.full((4, frame, 2), -7)
    y[:, places] = x
    component = Insert(range_, 2, frame, loops, first, value=-7)
    check(component, x.reshape(-1, 2), y.reshape(-1, 2), frames=4, seed=seed)


def test_what_stands_before_a_frame_waits_for_it():
    """Of two frames promised one comes: its own constants leave, the next frame's do not."""
    component = Insert(IntRange(0, 3), 1, 5, [(1, 1)], first=2)
    result = simulate(component, np.array([[3]]), expected_beats=5)
    np.testing.assert_array_equal(result.output.ravel(), [0, 0, 3, 0, 0])


def test_range_holds_the_value_where_there_is_one():
    assert Insert(IntRange(1, 3), 1, 5, [(2, 2)], 0, -1).output_range == IntRange(-1, 3)
    assert Insert(IntRange(1, 3), 1, 5, [(5, 1)], 0, -1).output_range == IntRange(1, 3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="must rise within 4 words"):
        Insert(IntRange(0, 1), 1, 4, [(3, 2)])
