from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.frame_transpose import FrameTranspose
from hwgen.ops.transpose import Transpose
from tests.hw.harness import check, to_beats
from tests.hw.strategies import FEW, integers, lanes_of, ranges, seeds

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@FEW
@given(shapes, ranges, seeds, st.data())
def test_is_numpy_transpose(shape, range_, seed, data):
    axes = data.draw(st.permutations(range(len(shape))))
    lanes = [data.draw(lanes_of(prod(shape))) for _ in range(2)]
    check_transpose(shape, axes, *lanes, range_, seed)


@pytest.mark.parametrize(("shape", "axes", "lanes_in", "lanes_out", "word", "block"), [
    ((3, 4, 2), (2, 0, 1), 1, 1, 1, 24),  # channels first
    ((2, 3, 4), (1, 0, 2), 2, 4, 2, 12),  # rows and columns swapped: words of two channels
    ((3, 2, 5), (0, 2, 1), 5, 2, 1, 10),  # blocks of one row
    ((2, 3, 4), (0, 1, 2), 4, 3, 1, 0),  # nothing moves
    ((1, 5, 1), (1, 2, 0), 1, 5, 1, 0),  # only axes of size 1 move
])  # fmt: skip
def test_memory_is_as_small_as_it_can_be(shape, axes, lanes_in, lanes_out, word, block):
    component = FrameTranspose(IntRange(0, 3), shape, axes, lanes_in, lanes_out)
    assert (component.word if block else 1, component.block) == (word, block)
    check_transpose(shape, axes, lanes_in, lanes_out, IntRange(-2, 5), 3)


def check_transpose(shape, axes, lanes_in, lanes_out, range_, seed):
    x = integers(seed, range_, 4, *shape)
    y = Transpose(tuple(axes)).reference(x)
    component = FrameTranspose(range_, shape, axes, lanes_in, lanes_out)
    check(component, to_beats(x, lanes_in), to_beats(y, lanes_out), frames=4, seed=seed)


@pytest.mark.parametrize(("arguments", "message"), [
    (((2, 0), (1, 0)), "shape must be positive"),
    (((2, 3), (1, 1)), "axes must be a permutation of 2 axes"),
    (((2, 3), (1, 0), 4), "lanes_in must divide 6 elements, not 4"),
    (((2, 3), (1, 0), 1, 0), "lanes_out must divide 6 elements, not 0"),
])  # fmt: skip
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FrameTranspose(IntRange(0, 1), *arguments)
