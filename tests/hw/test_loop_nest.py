from itertools import accumulate, cycle, islice, product

from hypothesis import given
from hypothesis import strategies as st

from hwgen.hw.loop_nest import increments, merge

loops = st.lists(st.tuples(st.integers(1, 4), st.integers(-5, 20)), max_size=4)


def indices(nest):
    """All indices of a loop nest, in order."""
    outer_first = [[k * stride for k in range(count)] for count, stride in reversed(nest)]
    return [sum(parts) for parts in product(*outer_first)]


@given(loops)
def test_merged_loops_walk_the_same_indices(nest):
    assert indices(merge(nest)) == indices(nest)


def test_contiguous_loops_become_one():
    assert merge([(4, 1), (1, 9), (3, 4), (2, 20)]) == [(12, 1), (2, 20)]


@given(loops.map(merge), st.integers(0, 100))
def test_increments_lead_through_two_passes(nest, period):
    gains = increments(nest, period)
    steps = []
    for position in product(*[range(count) for count, _ in reversed(nest)]):
        ended = [p == count - 1 for p, (count, _) in zip(reversed(position), nest, strict=True)]
        steps.append(gains[[*ended, False].index(False)])
    path = list(islice(accumulate(cycle(steps), initial=0), 2 * len(steps)))
    assert path == indices(nest) + [period + index for index in indices(nest)]
