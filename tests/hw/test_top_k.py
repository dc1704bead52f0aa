"""Positions of the greatest elements against a stable sort."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.top_k import TopK
from hwgen.lowering import divisors
from hwgen.ops.topk import TopK as TopKOp
from tests.hw.harness import measure, simulate


@st.composite
def cases(draw):
    channels = draw(st.integers(1, 12))
    k = draw(st.integers(1, channels))
    lanes = draw(st.sampled_from(divisors(channels))) if k == 1 else 1
    x_range = IntRange.of_bits(draw(st.integers(1, 5)), signed=draw(st.booleans()))  # many ties
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(x_range.lo, x_range.hi + 1, (6, channels))
    return TopK(x_range, channels=channels, lanes=lanes, k=k), x


@settings(max_examples=40)
@given(cases(), st.sampled_from([0.0, 0.5]), st.integers(0, 99))
def test_indices_equal_a_stable_sort(case, stall, seed):
    component, x = case
    result = simulate(
        component, x.reshape(-1, component.lanes), stall_in=stall, stall_out=stall, seed=seed,
        expected_beats=len(x),
    )  # fmt: skip
    np.testing.assert_array_equal(result.output, TopKOp(component.k).reference(x))


@settings(max_examples=10)
@given(cases())
def test_timing_is_as_documented(case):
    component, x = case
    beats = x.reshape(-1, component.lanes)
    measured = measure(component, beats, frames=len(x), expected_beats=len(x))
    assert measured == (component.interval, component.latency)


def test_reset_in_the_middle_of_a_vector():
    x = np.array([[1, 5, 2, 5], [7, 0, 7, 1]])
    component = TopK(IntRange(0, 7), channels=4, lanes=1, k=2)
    result = simulate(component, x.reshape(-1, 1), expected_beats=2, reset_at=3)
    np.testing.assert_array_equal(result.output, TopKOp(2).reference(x))
