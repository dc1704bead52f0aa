"""The threshold circuits against the operator's reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.comparator_bank import ComparatorBank
from hwgen.hw.parallel_staircase import ParallelStaircase, spacing
from hwgen.hw.threshold_search import ThresholdSearch
from hwgen.ir.types import TensorType
from hwgen.lowering import divisors
from hwgen.ops.threshold import Threshold
from tests.hw.harness import measure, simulate


@st.composite
def staircases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x_range = IntRange.of_bits(draw(st.integers(1, 9)), signed=draw(st.booleans()))
    channels, steps = draw(st.integers(1, 8)), draw(st.integers(0, 17))
    rows = draw(st.sampled_from([1, channels]))
    table = np.sort(rng.integers(x_range.lo - 2, x_range.hi + 3, (rows, steps)), axis=1)
    falling = rng.integers(0, 2, rows) * draw(st.booleans())
    op = Threshold(table, base=draw(st.integers(-9, 9)), falling=falling)
    lanes = draw(st.sampled_from(divisors(channels)))
    x = rng.integers(x_range.lo, x_range.hi + 1, (5, channels))
    x[0], x[1] = x_range.lo, x_range.hi
    y_range = op.infer(TensorType((channels,), x_range)).range
    options = {"channels": channels, "lanes": lanes, "base": op.base, "falling": op.falling}
    return op, x, (x_range, y_range, op.thresholds), options


@pytest.mark.parametrize("circuit", [ComparatorBank, ThresholdSearch])
@settings(max_examples=30)
@given(case=staircases(), stall=st.sampled_from([0.0, 0.4]), seed=st.integers(0, 99))
def test_outputs_equal_the_reference(circuit, case, stall, seed):
    op, x, args, options = case
    component = circuit(*args, **options)
    beats = x.reshape(-1, component.lanes)
    result = simulate(
        component, beats, stall_in=stall, stall_out=stall, seed=seed, expected_beats=len(beats)
    )
    np.testing.assert_array_equal(result.output.reshape(x.shape), op.reference(x))


@pytest.mark.parametrize("circuit", [ComparatorBank, ThresholdSearch])
@settings(max_examples=10)
@given(case=staircases())
def test_timing_is_as_documented(circuit, case):
    _, x, args, options = case
    component = circuit(*args, **options)
    beats = x.shape[1] // component.lanes
    measured = measure(
        component, x.reshape(-1, component.lanes), frames=len(x), expected_beats=len(x) * beats
    )
    assert measured == (beats, beats - 1 + component.depth)


def test_search_depth_is_the_logarithm_of_the_steps():
    table = np.arange(15)[None]
    search = ThresholdSearch(IntRange(0, 99), IntRange(0, 15), table, channels=4, lanes=2)
    assert search.depth == 5
    assert [t.shape for t in search.tables()] == [(1, 1), (1, 2), (1, 4), (1, 8)]


@st.composite
def spaced(draw):
    """Channels with steps of equal powers of two, some beyond the range, and some that are not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x_range = IntRange.of_bits(draw(st.integers(1, 10)), signed=draw(st.booleans()))
    channels, steps = draw(st.integers(1, 5)), draw(st.integers(1, 17))
    first = rng.integers(x_range.lo - 9, x_range.hi + 3, (channels, 1))
    table = first + (np.arange(steps) << rng.integers(0, 7, (channels, 1)))
    table[0] += draw(st.integers(0, 1)) * np.arange(steps)
    falling = rng.integers(0, 2, channels) * draw(st.booleans())
    return Threshold(table, base=draw(st.integers(-9, 9)), falling=falling), x_range


@settings(max_examples=40)
@given(
    case=st.one_of(spaced(), staircases().map(lambda c: (c[0], c[2][0]))), seed=st.integers(0, 99)
)
def test_all_channels_at_once_for_every_input(case, seed):
    op, x_range = case
    channels = max(len(op.thresholds), 2 if len(op.thresholds) == 1 else 1)
    x = np.tile(np.arange(x_range.lo, x_range.hi + 1)[:, None], channels)
    y_range = op.infer(TensorType((channels,), x_range)).range
    component = ParallelStaircase(x_range, y_range, op.thresholds, channels=channels, lanes=channels,
                                  base=op.base, falling=op.falling)  # fmt: skip
    for stall in (0.0, 0.3):
        result = simulate(component, x, stall_in=stall, stall_out=stall, seed=seed,
                          expected_beats=len(x), watchdog=400)  # fmt: skip
        np.testing.assert_array_equal(result.output, op.reference(x))
    assert measure(component, x, frames=len(x), expected_beats=len(x)) == (1, 1)


@pytest.mark.parametrize(
    ("row", "shift"), [([0, 4, 8], 2), ([5], 0), ([1, 2, 3], 0), ([0, 3, 6], None), ([1, 1], None),
                       ([0, 2, 6], None)]
)  # fmt: skip
def test_spacing(row, shift):
    assert spacing(np.array(row)) == shift
