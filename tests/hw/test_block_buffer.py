from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.block_buffer import BlockBuffer
from hwgen.hw.loop_nest import indices
from tests.hw.harness import check
from tests.hw.strategies import FEW, integers, ranges, seeds

LOOPS = [
    [(4, 1)],
    [(3, 4), (4, 1)],  # a transpose
    [(2, 1), (3, 0)],  # a pixel three times
    [(2, 1), (2, 0), (3, 2), (2, 0)],  # a row twice, its pixels twice
    [(1, 1), (4, 0)],  # one word
    [(1, 1)],
]


@FEW
@given(st.sampled_from(LOOPS), ranges, st.integers(1, 2), seeds)
def test_blocks_are_read_by_the_loop_nest(loops, range_, lanes, seed):
    component = BlockBuffer(range_, lanes, loops)
    x = integers(seed, range_, 5, component.block, lanes)
    y = x[:, indices(loops)]
    check(component, x.reshape(-1, lanes), y.reshape(-1, lanes), frames=5, seed=seed)


def test_words_of_a_block_and_steps_to_read_it():
    buffers = [BlockBuffer(IntRange(0, 1), 1, loops) for loops in LOOPS]
    assert [b.block for b in buffers] == [4, 12, 2, 6, 1, 1]
    assert [b.reads for b in buffers] == [4, 12, 6, 24, 4, 1]
