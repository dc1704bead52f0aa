"""Ranges against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange

ranges = st.builds(lambda lo, n: IntRange(lo, lo + n), st.integers(-40, 40), st.integers(0, 30))


@given(ranges)
def test_width_is_the_least_that_holds_both_ends(r):
    def fits(bits: int) -> bool:
        full = IntRange.of_bits(bits, signed=r.lo < 0)
        return full.lo <= r.lo and r.hi <= full.hi

    assert fits(r.width)
    assert r.width == 1 or not fits(r.width - 1)


@given(ranges, ranges)
def test_arithmetic_is_exact(a, b):
    x, y = np.arange(a.lo, a.hi + 1)[:, None], np.arange(b.lo, b.hi + 1)[None]
    assert a + b == IntRange.of_array(x + y)
    assert a * b == IntRange.of_array(x * y)
    assert -a == IntRange.of_array(-x)
    assert a.clamp(b) == IntRange.of_array(np.clip(x, b.lo, b.hi))
    both = np.concatenate([x.ravel(), y.ravel()])
    assert a | b == IntRange.of_array(both)


@given(ranges, st.integers(-50, 80))
def test_membership(r, v):
    assert (v in r) == (r.lo <= v <= r.hi)
    assert (np.array([v, r.lo]) in r) == (v in r)
    assert IntRange(r.lo, r.hi) in r
    assert r.size == r.hi - r.lo + 1


@pytest.mark.parametrize(
    ("bits", "signed", "lo", "hi"),
    [(1, False, 0, 1), (1, True, -1, 0), (4, True, -8, 7), (8, False, 0, 255)],
)
def test_full_ranges(bits, signed, lo, hi):
    assert IntRange.of_bits(bits, signed=signed) == IntRange(lo, hi)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"lo <= hi, not 2\.\.1"):
        IntRange(2, 1)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        IntRange.of_bits(0, signed=True)
