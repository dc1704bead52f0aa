"""Staircases: rising and falling, alike or per channel, in every circuit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Threshold
from tests.ops.strategies import seeds, tensors
from tests.ops.suite import check_inference, check_operator, foldings, frames_of


@st.composite
def staircases(draw):
    x, rng = draw(tensors()), np.random.default_rng(draw(seeds))
    rows = draw(st.sampled_from([1, x.channels]))
    steps = draw(st.sampled_from([0, 1, 2, 3, 4, 7, 8]))
    beyond = draw(st.sampled_from([0, 3]))  # thresholds that no input reaches, or every one
    table = np.sort(
        rng.integers(x.range.lo - beyond, x.range.hi + 1 + beyond, (rows, steps)), axis=1
    )
    base = draw(st.sampled_from([0, -4, 1, -300]))
    falling = rng.integers(0, 2, rows) if draw(st.booleans()) else ()
    return Threshold(table, base, falling), [x], rng


@settings(max_examples=30)
@given(staircases(), st.data())
def test_every_folding(case, data):
    op, types, rng = case
    check_operator(op, types, data.draw(st.sampled_from(foldings(op, types))), rng)


@given(staircases())
def test_reference_counts_thresholds(case):
    op, types, rng = case
    check_inference(op, types, rng)
    (x,) = frames_of(types, 3, rng)
    y = op.reference(x)
    for place in np.ndindex(y.shape):
        row = place[-1] % len(op.thresholds)
        reached = sum(int(x[place]) >= t for t in op.thresholds[row].tolist())
        steps = op.steps - reached if op.falling[row] else reached
        assert y[place] == op.base + steps


@given(staircases())
def test_range_is_the_tightest(case):
    op, (x,), _ = case
    every = np.arange(x.range.lo, x.range.hi + 1)
    values = np.broadcast_to(every[:, None], (len(every), x.channels))
    assert op.infer(x).range == IntRange.of_array(op.reference(values))


def names(op, x):
    return {lowering.name for lowering, _ in foldings(op, [x])}


def test_circuits_are_there_where_they_fit():
    line, x = Threshold(np.array([[0, 2, 4]])), TensorType((4,), IntRange(-8, 7))
    assert names(line, x) == {"comparators", "search", "table", "line", "unrolled"}
    assert {folding.pe for _, folding in foldings(line, [x])} == {1, 2, 4}
    curve = Threshold((np.arange(1, 16) ** 2)[None])
    assert names(curve, TensorType((4,), IntRange(0, 5000))) == {
        "comparators",
        "search",
        "unrolled",
    }


@settings(max_examples=15)
@given(st.data(), seeds)
def test_every_folding_of_lines(data, seed):
    rng = np.random.default_rng(seed)
    x = TensorType((data.draw(st.sampled_from([2, 6])),), IntRange(-300, 400))
    slope = rng.uniform(5, 30, (x.channels, 1))
    table = np.floor(rng.integers(-300, 300, (x.channels, 1)) + slope * np.arange(31)).astype(int)
    table[:, 12:] += 50 * data.draw(st.integers(0, 1))  # two lines then
    op = Threshold(table, -3, rng.integers(0, 2, x.channels) * int(rng.integers(2)))
    ways = [way for way in foldings(op, [x]) if way[0].name.startswith("line")]
    ways += [
        (variant, folding)
        for lowering, folding in ways
        for variant in lowering.in_dsps("dsp48e1")
        if variant.applies(op, x)
    ]
    check_operator(op, [x], data.draw(st.sampled_from(ways)), rng)


@pytest.mark.parametrize(
    ("thresholds", "falling", "words"),
    [
        ([1, 2], (), "rows that do not fall"),
        ([[3, 2]], (), "rows that do not fall"),
        ([[1], [2]], (1,), "a 0 or 1 per row"),
        ([[1]], (2,), "a 0 or 1 per row"),
    ],
)
def test_bad_tables_are_refused(thresholds, falling, words):
    with pytest.raises(ValueError, match=words):
        Threshold(np.array(thresholds), 0, falling)


def test_channels_must_match():
    with pytest.raises(ValueError, match="input has 3 channels, thresholds 2"):
        Threshold(np.array([[1], [2]])).infer(TensorType((3,), IntRange(0, 9)))
