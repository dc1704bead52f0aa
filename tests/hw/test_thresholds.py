"""The threshold circuits against the operator's reference."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.comparator_bank import ComparatorBank
from hwgen.hw.mac_array import MacArray
from hwgen.hw.multiply_shift import MultiplyShift
from hwgen.hw.parallel_staircase import ParallelStaircase, spacing
from hwgen.hw.pipeline import Pipeline
from hwgen.hw.threshold_search import ThresholdSearch
from hwgen.ir.types import TensorType
from hwgen.lowering import divisors
from hwgen.ops.matmul import accumulator_range
from hwgen.ops.threshold import Threshold, lines_of
from tests.hw.harness import measure, simulate, timing


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
def scaled(draw):
    """Staircases that are lines, or lines in a few segments; one line or several."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x_range = IntRange.of_bits(draw(st.integers(3, 12)), signed=draw(st.booleans()))
    channels, steps = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, 3, 7, 15, 20]))
    rows = draw(st.sampled_from([1, channels]))
    start = rng.integers(x_range.lo - 3, x_range.hi + 1, (rows, 1))
    span = rng.integers(0, x_range.size, (1 if draw(st.booleans()) else rows, 1))
    table = np.floor(start + span * (np.arange(steps) + rng.random((rows, 1))) / steps).astype(int)
    falling = rng.integers(0, 2, rows) * draw(st.booleans())
    op = Threshold(table, base=draw(st.integers(-9, 9)), falling=falling)
    lines = lines_of(op, x_range, draw(st.sampled_from([1, 2, 4])))
    assume(lines is not None)
    x = rng.integers(x_range.lo, x_range.hi + 1, (6, channels))
    x[0], x[1] = x_range.lo, x_range.hi
    y_range = op.infer(TensorType((channels,), x_range)).range
    lanes = draw(st.sampled_from(divisors(channels)))
    return op, x, (x_range, y_range, lines), {"channels": channels, "lanes": lanes}


@settings(max_examples=60)
@given(case=scaled(), stall=st.sampled_from([0.0, 0.4]), seed=st.integers(0, 99))
def test_multiplication_equals_the_reference(case, stall, seed):
    op, x, args, options = case
    component = MultiplyShift(*args, **options)
    beats = x.reshape(-1, component.lanes)
    result = simulate(
        component, beats, stall_in=stall, stall_out=stall, seed=seed, expected_beats=len(beats)
    )
    np.testing.assert_array_equal(result.output.reshape(x.shape), op.reference(x))


@settings(max_examples=20)
@given(case=scaled())
def test_multiplication_takes_its_time(case):
    _, x, args, options = case
    component = MultiplyShift(*args, **options)
    beats = x.shape[1] // component.lanes
    measured = measure(
        component, x.reshape(-1, component.lanes), frames=len(x), expected_beats=len(x) * beats
    )
    assert measured == (beats, beats - 1 + component.depth)


@pytest.mark.parametrize("lo", [-7, -8])
def test_ties_to_even(lo):
    every = np.arange(-120, 121)
    y = np.rint(every / 16).clip(lo, 7).astype(int)
    x_range = IntRange(-120, 120)
    op = Threshold(np.searchsorted(y, np.arange(lo + 1, 8))[None] - 120, lo)
    lines = lines_of(op, x_range, 1)
    assert lines is not None
    assert lines.even is not None
    component = MultiplyShift(x_range, IntRange(max(lo, -8), 7), lines, channels=1, lanes=1)
    result = simulate(component, every[:, None], expected_beats=len(every))
    np.testing.assert_array_equal(result.output[:, 0], y)


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


@pytest.mark.parametrize(("pe", "simd"), [(2, 1), (6, 4)])
def test_behind_a_mac_array_there_is_no_extra_interval(pe, simd):
    rng = np.random.default_rng(0)
    weight, x_range = rng.integers(-8, 8, (8, 6)), IntRange(0, 15)
    y_range = accumulator_range(weight, x_range)
    op = Threshold(np.floor(rng.uniform(-90, 0, (6, 1)) + 9.3 * np.arange(15)).astype(int))
    lines = [lines_of(op, y_range, segments) for segments in (1, 2)]
    out = op.infer(TensorType((6,), y_range)).range
    options = {"channels": 6, "lanes": pe}
    circuits = [
        *(c(y_range, out, op.thresholds, **options) for c in (ComparatorBank, ThresholdSearch)),
        *(MultiplyShift(y_range, out, line, **options) for line in lines if line),
    ]
    assert len(circuits) == 4
    x = rng.integers(0, 16, (5, 8))
    for circuit in circuits:
        macs = MacArray(x_range, weight, y_range, pe=pe, simd=simd)
        expected = macs.interval, macs.latency + circuit.depth
        result = simulate(Pipeline({"macs": macs, "act": circuit}), x.reshape(-1, simd),
                          expected_beats=5 * 6 // pe)  # fmt: skip
        np.testing.assert_array_equal(result.output.reshape(5, 6), op.reference(x @ weight))
        assert timing(result, 5) == expected
