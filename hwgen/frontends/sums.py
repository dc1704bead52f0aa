"""Integer multipliers for a sum of two scaled integers that meets a quantizer.

Given the code that the quantizer makes of every pair ``(q1, q2)``, find small integers such that
the code is a staircase over ``M1*q1 + M2*q2``. Every boundary between two codes bounds the ratio
``M1 / M2`` from below and from above, so that all valid ratios form one open interval; its
simplest fraction (Stern-Brocot) gives the smallest multipliers. No pair is left to chance: each has
taken part in the bounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import lcm

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.frontends.thresholds import collapse
from hwgen.ops import Threshold

WORK = 1 << 29  # comparisons of rows, level by level


def multipliers(codes: np.ndarray) -> tuple[int, int] | None:
    """``(M1, M2)`` for ``codes`` int64 ``(N1, N2, C)``; None where no pair of integers will do.

    ``codes[i, j, c]`` is that of channel c for the i-th and j-th integer of the two ranges. None as
    well where finding out takes more than ``WORK`` comparisons.
    """
    rows, _, channels = codes.shape
    if rows**2 * channels * int(np.ptp(codes)) > WORK:
        return None
    lo, hi, falls = Fraction(0), None, set()
    for c in range(codes.shape[2]):
        turned = _rising(codes[:, :, c])
        if turned is None:
            return None
        plane, fall = turned
        falls |= {fall} - {None}
        below, above = ratio_bounds(plane)
        lo, hi = max(lo, below), above if hi is None else hi if above is None else min(hi, above)
    if len(falls) > 1 or (hi is not None and lo >= hi):
        return None
    ratio = simplest(lo, hi)
    return (-1 if falls == {True} else 1) * ratio.numerator, ratio.denominator


def _rising(plane: np.ndarray) -> tuple[np.ndarray, bool | None] | None:
    """``plane`` turned so that it falls along no axis, and whether its first axis fell against

    its second (None where one does not matter). None where an axis does both.
    """
    signs = []
    for axis in (0, 1):
        steps = np.diff(plane, axis=axis)
        rises, falls = (steps > 0).any(), (steps < 0).any()
        if rises and falls:
            return None
        signs.append(0 if not rises and not falls else 1 if rises else -1)
        if falls:
            plane = np.flip(plane, axis)
    return plane, None if 0 in signs else signs[0] != signs[1]


def ratio_bounds(plane: np.ndarray) -> tuple[Fraction, Fraction | None]:
    """The open interval of ratios ``r`` for which ``r*i + j`` orders a rising plane ``(N1, N2)``.

    With ``a(i)`` the count of codes up to a level in row i, ``r*u + a(u) - 1 < r*v + a(v)`` must
    hold for any two rows u, v that have codes on their side of the level.
    """
    rows, columns = plane.shape
    low = int(plane.min())
    levels = int(plane.max()) - low + 1
    keys = (np.arange(rows)[:, None] * levels + plane - low).ravel()
    counts = np.bincount(keys, minlength=rows * levels).reshape(rows, levels)
    a = counts.cumsum(axis=1)[:, :-1].astype(np.int32)
    a = a[:, np.r_[True, (np.diff(a, axis=1) != 0).any(axis=0)]] if a.size else a
    has_low, has_high = a >= 1, a <= columns - 1
    lo, hi = Fraction(0), None
    for d in range(1, rows if a.size else 1):
        fall = a[:-d] - a[d:]
        upper = fall[has_low[d:] & has_high[:-d]]
        lower = fall[has_low[:-d] & has_high[d:]]
        if upper.size:
            bound = Fraction(int(upper.min()) + 1, d)
            hi = bound if hi is None else min(hi, bound)
        if lower.size:
            lo = max(lo, Fraction(int(lower.max()) - 1, d))
    return lo, hi


def simplest(lo: Fraction, hi: Fraction | None) -> Fraction:
    """The fraction of smallest denominator strictly between ``lo >= 0`` and ``hi`` (None: none)."""
    whole = lo.numerator // lo.denominator
    if hi is None or whole + 1 < hi:
        return Fraction(whole + 1)
    inner = simplest(1 / (hi - whole), 1 / (lo - whole) if lo > whole else None)
    return whole + 1 / inner


def staircase_of(codes: np.ndarray, sums: np.ndarray) -> Threshold:
    """The Threshold that makes ``codes`` ``(N1, N2, C)`` of ``sums`` ``(N1, N2)``."""
    order = np.argsort(sums, axis=None, kind="stable")
    x, y = sums.ravel()[order], codes.reshape(-1, codes.shape[2])[order]
    steps = np.diff(y, axis=0)
    falls = np.asarray((steps < 0).any(axis=0))
    assert not (falls & (steps > 0).any(axis=0)).any(), "the sum does not order the codes"
    assert not steps[np.diff(x) == 0].any(), "equal sums have different codes"
    low, high = int(y.min()), int(y.max())
    count = np.where(falls, high - y, y - low)
    wanted = np.arange(1, high - low + 1)
    table = np.empty((codes.shape[2], len(wanted)), np.int64)
    for c in range(len(table)):
        first = np.searchsorted(count[:, c], wanted, side="left")
        table[c] = np.append(x, x[-1] + 1)[first]
    return collapse(table, low, falls)


def integer_ratios(
    scales: Iterable[np.ndarray], largest: int
) -> tuple[list[int], np.ndarray] | None:
    """Integers ``M_i`` and a unit with ``scales[i] == M_i * unit`` exactly, channel by channel.

    None where there are none up to ``largest``.
    """
    first, *others = np.broadcast_arrays(*[np.asarray(s, np.float64) for s in scales])
    ratios = [Fraction(1)]
    for other in others:
        if (first == 0).any() or (other == 0).any():
            return None
        found = {Fraction(float(b)) / Fraction(float(a))
                 for a, b in zip(first.ravel(), other.ravel(), strict=True)}  # fmt: skip
        if len(found) > 1:
            return None
        ratios.append(found.pop())
    common = lcm(*(ratio.denominator for ratio in ratios))
    integers = [int(ratio * common) for ratio in ratios]
    if max(map(abs, integers)) > largest:
        return None
    return integers, first / common


def every_pair(first: IntRange, second: IntRange) -> tuple[np.ndarray, np.ndarray]:
    """The integers of two ranges, ``(N1, 1)`` and ``(1, N2)``."""
    return (np.arange(first.lo, first.hi + 1)[:, None], np.arange(second.lo, second.hi + 1)[None])
