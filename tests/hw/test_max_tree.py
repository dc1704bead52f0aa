import pytest
from amaranth.lib.wiring import Component
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.max_tree import MaxTree
from hwgen.hw.pad import Pad
from hwgen.hw.parallel_window import ParallelWindow
from hwgen.hw.pipeline import Pipeline
from hwgen.ops.maxpool import MaxPool
from tests.hw.harness import check, simulate, to_beats
from tests.hw.strategies import FEW, integers, lanes_of, ranges, seeds


@FEW
@given(st.integers(1, 9), st.integers(1, 3), ranges, seeds)
def test_greatest_of_groups(groups, lanes, range_, seed):
    x = integers(seed, range_, 12, groups, lanes)
    check(MaxTree(range_, groups, lanes), to_beats(x, groups * lanes), x.max(axis=1),
          frames=12, seed=seed)  # fmt: skip


@FEW
@given(
    st.tuples(st.integers(3, 6), st.integers(3, 6), st.sampled_from([1, 2, 4])),
    st.sampled_from([(2, 2), (3, 3), (1, 2)]),
    st.sampled_from([(1, 1), (2, 2), (3, 1)]),
    st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1)]),
    ranges,
    seeds,
    st.data(),
)
def test_max_pool_is_pad_window_tree(shape, kernel, stride, padding, range_, seed, data):
    if any(p >= k for p, k in zip(padding, (*kernel, *kernel), strict=True)):
        padding = (0, 0, 0, 0)
    lanes = data.draw(lanes_of(shape[2]))
    pad = Pad(range_, shape, lanes, padding, range_.lo)
    padded = (shape[0] + padding[0] + padding[2], shape[1] + padding[1] + padding[3], shape[2])
    stages: dict[str, Component] = {
        "pad": pad,
        "window": ParallelWindow(range_, padded, lanes, kernel, stride),
        "tree": MaxTree(range_, kernel[0] * kernel[1], lanes),
    }
    x = integers(seed, range_, 3, *shape)
    y = to_beats(MaxPool(kernel, stride, padding).reference(x), lanes)
    result = simulate(Pipeline(stages), to_beats(x, lanes), expected_beats=len(y),
                      stall_in=0.2, stall_out=0.3, seed=seed)  # fmt: skip
    assert (result.output == y).all()


def test_bad_arguments():
    with pytest.raises(ValueError, match="groups must be at least 1, not 0"):
        MaxTree(IntRange(0, 1), 0, 1)
