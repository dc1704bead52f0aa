"""Lines that equal staircases: against brute force, at every integer, and not when they are moved."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.lowering.affine import Stairs, equals, fewest_digits, fit, segments_needed
from hwgen.ops.threshold import Threshold


@st.composite
def thresholds(draw, widest=9):
    """Tables that are near a line, or not; any slope, repeated thresholds, some out of range."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = IntRange.of_bits(draw(st.integers(1, widest)), signed=draw(st.booleans()))
    rows, steps = draw(st.integers(1, 4)), draw(st.sampled_from([0, 1, 2, 3, 7, 15, 20]))
    start = rng.integers(x.lo - 3, x.hi + 1, (rows, 1))
    span = rng.integers(0, x.size + 2, (rows, 1))
    places = (np.arange(steps) + rng.random((rows, 1))) / max(steps, 1)
    table = np.floor(start + span * places).astype(int)
    if draw(st.booleans()):
        table += rng.integers(0, 2, table.shape)
    falling = rng.integers(0, 2, rows) * draw(st.booleans())
    return Threshold(np.sort(table, axis=1), draw(st.integers(-9, 9)), falling), x


def stairs_of(op, x):
    y = op.infer(TensorType((len(op.thresholds),), x)).range
    return Stairs.of(op.thresholds, op.base, np.asarray(op.falling), x, y), y


def everywhere(op, x):
    return np.broadcast_to(np.arange(x.lo, x.hi + 1)[:, None], (x.size, len(op.thresholds)))


@settings(max_examples=200)
@given(thresholds(), st.sampled_from([1, 2, 4, 8]), st.sampled_from([None, 0, 1]))
def test_lines_are_the_staircase_at_every_integer(case, segments, even):
    op, x = case
    stairs, y = stairs_of(op, x)
    lines = fit(stairs, segments, even if segments == 1 else None)
    if lines is None:
        return
    assert equals(lines, stairs)
    every = everywhere(op, x)
    np.testing.assert_array_equal(lines(every) + y.lo, op.reference(every))
    assert min(a.min() for a in (lines.m, lines.b, lines.first)) >= 0


@settings(max_examples=60)
@given(thresholds(widest=4))
def test_none_is_missed_at_small_shifts(case):
    op, x = case
    stairs, y = stairs_of(op, x)
    if len(op.thresholds) > 1 or y.size == 1:
        return
    every = np.arange(x.lo, x.hi + 1)
    wanted = op.reference(every[:, None])[:, 0] - y.lo
    turned = ~every if op.falling[0] else every
    for shift in range(4):
        m = np.arange(16 << shift)[:, None, None]
        b = np.arange(-(x.size << shift + 4), (x.size << shift + 4) + 1, dtype=np.int32)[
            None, :, None
        ]
        if m.size * b.size * every.size > 1 << 25:
            break
        found = ((m * turned + b >> shift).clip(0, y.size - 1) == wanted).all(axis=2).any()
        assert not found or stairs.feasible(shift).all()


@settings(max_examples=100)
@given(thresholds(), st.integers(0, 2**32 - 1))
def test_moved_lines_are_told_from_equal_ones(case, seed):
    op, x = case
    stairs, y = stairs_of(op, x)
    lines = fit(stairs, 2)
    if lines is None or y.size == 1:
        return
    rng, every = np.random.default_rng(seed), everywhere(op, x)
    for name in ("m", "b", "c", "first"):
        table = getattr(lines, name).copy()
        place = tuple(rng.integers(0, n) for n in table.shape)
        table[place] = max(table[place] + rng.choice([-1, 1]) * (1 << rng.integers(0, 5)), 0)
        moved = replace(lines, **{name: table})
        same = bool((moved(every) + y.lo == op.reference(every)).all())
        assert equals(moved, stairs) == same


def test_a_scale_of_float32_is_found_whole():
    """What quantizers make: 8 bits, a float scale and bias."""
    x, rng = IntRange(-30000, 30000), np.random.default_rng(0)
    every = np.arange(x.lo, x.hi + 1)[:, None].astype(np.float32)
    scale, bias = rng.uniform(0.003, 0.01, 16), rng.uniform(-30, 30, 16)
    y = np.rint(every * scale.astype(np.float32) + bias.astype(np.float32)).clip(0, 255)
    table = np.stack([np.searchsorted(c, np.arange(1, 256)) + x.lo for c in y.T])
    stairs, _ = stairs_of(Threshold(table), x)
    lines = fit(stairs, 8)
    assert lines is not None
    np.testing.assert_array_equal(lines(everywhere(Threshold(table), x)), y)


def test_a_power_of_two_needs_no_multiplier():
    table = 3 + 16 * np.arange(15) + np.array([[0], [5], [-7]])
    lines = fit(stairs_of(Threshold(table), IntRange(-500, 500))[0])
    assert lines is not None
    assert (lines.m == 1).all() and lines.shift == 4 and not lines.b.any()


def test_ties_to_even_need_even():
    x = IntRange(-100, 100)
    every = np.arange(x.lo, x.hi + 1)
    y = np.rint(every / 8).clip(-7, 7).astype(int)
    table = np.searchsorted(y, np.arange(-6, 8))[None] + x.lo
    stairs, range_ = stairs_of(Threshold(table, -7), x)
    assert range_ == IntRange(-7, 7)
    assert fit(stairs) is None
    lines = fit(stairs, even=1 - (range_.lo & 1))
    assert lines is not None
    assert lines.shift == 3
    np.testing.assert_array_equal(lines(every[:, None])[:, 0] + range_.lo, y)


@pytest.mark.parametrize("steeper", [70, 149])
def test_many_rows_share_a_shift(steeper):
    """Rows are taken 64 at a time: one of them alone needs a finer line, or a segment more."""
    rng = np.random.default_rng(steeper)
    table = 8 * np.arange(1, 16) + rng.integers(-20, 20, (150, 1))
    x = IntRange(-200, 200)
    coarse = fit(stairs_of(Threshold(table), x)[0])
    table[steeper] = np.ceil(np.arange(1, 16) * 6.53)
    op = Threshold(table)
    stairs, _ = stairs_of(op, x)
    lines = fit(stairs)
    assert coarse is not None
    assert lines is not None
    assert lines.shift > coarse.shift
    assert segments_needed(stairs) == 1
    np.testing.assert_array_equal(lines(everywhere(op, x)), op.reference(everywhere(op, x)))
    table[steeper] = np.arange(1, 16) ** 2
    stairs, _ = stairs_of(Threshold(table), x)
    needed = segments_needed(stairs)
    assert needed in (2, 4, 8)
    assert fit(stairs, needed) is not None
    assert fit(stairs, needed // 2) is None


@settings(max_examples=60)
@given(thresholds())
def test_no_fewer_segments_do(case):
    """Where a table has rows of one slope, so that one shift suits all as well as any."""
    op, x = case
    stairs, _ = stairs_of(Threshold(op.thresholds[:1], op.base, op.falling[:1]), x)
    needed = segments_needed(stairs)
    assert needed is None or fit(stairs, needed) is not None
    fewer = [n for n in (1, 2, 4, 8) if n < (needed or 16)]
    assert all(fit(stairs, n) is None for n in fewer)


def test_a_curve_is_no_line():
    table = (np.arange(1, 16) ** 2)[None]
    stairs, _ = stairs_of(Threshold(table), IntRange(0, 300))
    assert fit(stairs) is None
    assert fit(stairs, 8) is not None


def test_numbers_out_of_bounds_are_refused():
    stairs, _ = stairs_of(Threshold(np.array([[0, 1 << 33]])), IntRange(0, 1 << 34))
    assert fit(stairs) is None


@pytest.mark.parametrize(
    ("low", "high", "best"), [(7, 9, 8), (5, 6, 5), (1000, 1100, 1024), (0, 9, 0)]
)
def test_fewest_digits(low, high, best):
    assert fewest_digits(low, high) == best
