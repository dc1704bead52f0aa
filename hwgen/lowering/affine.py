"""Staircases as clipped lines ``(x * m + b) >> s``: found exactly, or shown not to exist.

A staircase is monotone, so it equals a line everywhere if both agree at every threshold t and at
t - 1. For count k, reached at t, these are two inequalities of the integers m and b:

    m * t + b >= k * 2**s        m * (t - 1) + b <= k * 2**s - 1

For a fixed m the first ones bound b from below and the others from above. The room between them is
a concave, piecewise linear function of m; Newton's method from either side finds its first and its
last root, since a tangent of a concave function never meets zero beyond the function itself. What
is feasible at s is so at s + 1 (twice m and b), hence the smallest s follows by bisection.

Rows are taken some at a time, spread over all: a table without lines is mostly known by the first of
them, and the others are only tested at the shift that those before them need.

Rounding to even meets thresholds on ties, where odd results are reached one later than a line would
reach them: ``even`` moves the bounds of these by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.lines import Lines

MOST_SEGMENTS = 8
LARGEST_SHIFT = 30
LARGEST_FACTOR = (1 << 27) - 1
LARGEST_X = 1 << 31  # together these keep every product in int64
_FAR = 1 << 62  # beyond every product
_ROWS = 64  # taken at a time: few enough for a core's cache


@dataclass(frozen=True, eq=False)
class Stairs:
    """Rising staircases to be fitted: count k of row r is reached at ``at[r, k - 1]``.

    ``lo``, ``hi``: the integers ``(R, 1)`` between which each row must be right. Rows with
    ``flip`` rise with ~x.
    """

    at: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    flip: np.ndarray

    @classmethod
    def of(cls, thresholds: np.ndarray, base: int, falling: np.ndarray, x: IntRange,
           y: IntRange) -> Stairs:  # fmt: skip
        """Those of a Threshold with outputs ``y`` over ``x``, counted from ``y.lo``."""
        table = np.clip(thresholds, x.lo, x.hi + 1)
        flip, k = np.asarray(falling, bool), np.arange(y.lo + 1, y.hi + 1) - base
        at = np.where(flip[:, None], -table[:, -k], table[:, k - 1])
        lo, hi = np.where(flip, ~x.hi, x.lo), np.where(flip, ~x.lo, x.hi)
        return cls(at, lo[:, None], hi[:, None], flip)

    def pieces(self) -> list[Stairs]:
        """All rows, some at a time: each n-th of them."""
        n = -(-len(self.at) // _ROWS)
        return [Stairs(self.at[k::n], self.lo[k::n], self.hi[k::n], self.flip[k::n])
                for k in range(n)]  # fmt: skip

    def part(self, lo: np.ndarray, hi: np.ndarray) -> Stairs:
        """The same between closer bounds."""
        return Stairs(self.at.clip(lo, hi + 1), lo, hi, self.flip)

    def bounds(self, shift: int, even: int | None) -> tuple[np.ndarray, np.ndarray]:
        """What ``m * at + b`` must reach, and ``m * (at - 1) + b`` not exceed, ``(R, K)``."""
        count = np.arange(1, self.at.shape[1] + 1)
        goal = (count << shift) + (0 if even is None else (count & 1) == even)
        reached = np.where(self.at <= self.hi, goal, -_FAR)
        return reached, np.where(self.at > self.lo, goal - 1, _FAR)

    def factors(self, shift: int, even: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest m of each row for which some b exists; least > greatest where
        there is none. All between them are feasible."""
        bounds = self.bounds(shift, even)
        return self._end(0, *bounds), self._end(LARGEST_FACTOR, *bounds)

    def feasible(self, shift: int, even: int | None = None) -> np.ndarray:
        """Which rows are lines at ``shift``."""
        return self._end(0, *self.bounds(shift, even)) <= LARGEST_FACTOR

    def _end(self, start: int, reached: np.ndarray, below: np.ndarray) -> np.ndarray:
        """The first feasible m of each row from ``start``, one end of the factors, onwards; beyond
        the other end where there is none."""
        m, left = np.full(len(self.at), start), np.arange(len(self.at))
        while len(left):
            at, low, high = self.at[left], reached[left], below[left]
            low = low - m[left, None] * at
            high = high - m[left, None] * (at - 1)
            rows, i, j = np.arange(len(left)), low.argmax(axis=1), high.argmin(axis=1)
            room, slope = high[rows, j] - low[rows, i], at[rows, i] - at[rows, j] + 1
            toward = slope > 0 if start == 0 else slope < 0
            m[left[(room < 0) & ~toward]] = LARGEST_FACTOR + 1 if start == 0 else -1
            go = (room < 0) & toward
            left, room, slope = left[go], room[go], slope[go]
            m[left] += np.sign(slope) * -(room // np.abs(slope))  # the tangent's root
            left = left[(m[left] >= 0) & (m[left] <= LARGEST_FACTOR)]
        return m

    def room(self, m: np.ndarray, shift: int, even: int | None) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest b of each row."""
        reached, below = self.bounds(shift, even)
        m = m[:, None]
        return (reached - m * self.at).max(axis=1), (below - m * (self.at - 1)).min(axis=1)


def segments_needed(stairs: Stairs) -> int | None:
    """The fewest segments, a power of two, in which every row is lines; None for more than
    ``MOST_SEGMENTS``.

    The largest shift needs fewest, but where a steep row would have too large a factor then.
    """
    if stairs.at.shape[1] == 0:
        return 1
    if _beyond(stairs):
        return None
    needed = dict.fromkeys(_loose(stairs), 1)
    for piece in stairs.pieces():
        for shift in list(needed):
            starts = _split(piece, MOST_SEGMENTS, shift, None)
            if starts is None:
                del needed[shift]
            else:
                used = int((starts <= piece.hi).sum(axis=1).max())
                needed[shift] = max(needed[shift], used)
        if not needed:
            return None
    return 1 << (min(needed.values()) - 1).bit_length()


def fit(stairs: Stairs, segments: int = 1, even: int | None = None) -> Lines | None:
    """Lines equal to ``stairs``, of at most so many segments, with the smallest shift.

    Rows share one m where that takes no larger shift: the one of fewest signed digits. None where
    there is no such line of at most ``LARGEST_SHIFT`` and ``LARGEST_FACTOR``.
    """
    if stairs.at.shape[1] == 0:
        none = np.zeros((1, 1), np.int64)
        return Lines(none[:, :0], none[0] > 0, none, none, none, none, 0, 1, 0)
    if _beyond(stairs):
        return None
    pieces = stairs.pieces()
    low, high, shift = 0, LARGEST_SHIFT, LARGEST_SHIFT + 1
    while low <= high:
        middle = (low + high) // 2
        if _split(pieces[0], segments, middle, even) is None:
            low = middle + 1
        else:
            shift, high = middle, middle - 1
    found: dict[int, np.ndarray] = {}
    at = 0  # the piece whose turn it is, until all are split at one shift
    while len(found) < len(pieces):
        if shift > LARGEST_SHIFT:
            return None
        parts = _split(pieces[at], segments, shift, even)
        if parts is None:
            shift, found = shift + 1, {}
        else:
            found[at] = parts
            at = (at + 1) % len(pieces)
    starts = np.empty((len(stairs.at), segments), np.int64)
    for k, parts in found.items():
        starts[k :: len(pieces)] = parts
    return _lines(stairs, starts, shift, even)


def _beyond(stairs: Stairs) -> bool:
    """Whether products might not fit."""
    return max(abs(int(stairs.lo.min())), abs(int(stairs.hi.max()))) > LARGEST_X


def _loose(stairs: Stairs) -> list[int]:
    """Shifts at which there are lines if there are at any: the largest, and smaller ones where a row
    may be too steep for it."""
    inside = (stairs.at > stairs.lo) & (stairs.at <= stairs.hi)
    first, last = (np.where(inside, stairs.at, end) for end in (stairs.hi, stairs.lo))
    span = np.maximum(last.max(axis=1) - first.min(axis=1), 1)
    steep = 4 * inside.sum(axis=1) << LARGEST_SHIFT > LARGEST_FACTOR * span
    return list(range(LARGEST_SHIFT, 8, -3)) if steep.any() else [LARGEST_SHIFT]


def _split(stairs: Stairs, segments: int, shift: int, even: int | None) -> np.ndarray | None:
    """Where the segments of each row start, ``(R, segments)``; unused ones beyond its end.

    Each is as long as can be, which gives the fewest. None where that is too many.
    """
    rows, top = stairs.at.shape
    starts = [stairs.lo]
    for number in range(segments):
        start = starts[-1]
        if bool(stairs.part(start, np.maximum(stairs.hi, start)).feasible(shift, even).all()):
            beyond = [stairs.hi + 1] * (segments - 1 - number)
            return np.concatenate([*starts, *beyond], axis=1)
        if number == segments - 1:
            return None
        # The greatest number of thresholds that the segment can end before.
        good, bad = np.zeros(rows, int), np.full(rows, top + 2)
        padded = np.concatenate([stairs.at, stairs.hi + 1], axis=1)
        while (bad - good > 1).any():
            middle = (good + bad) // 2
            end = np.maximum(np.take_along_axis(padded, middle[:, None] - 1, 1), start + 1)
            fits = stairs.part(start, np.minimum(end - 1, stairs.hi)).feasible(shift, even)
            open_ = bad - good > 1
            good, bad = np.where(open_ & fits, middle, good), np.where(open_ & ~fits, middle, bad)
        end = np.take_along_axis(padded, np.maximum(good, 1)[:, None] - 1, 1)
        starts.append(np.minimum(np.maximum(end, start), stairs.hi + 1))
    return None


def _lines(stairs: Stairs, starts: np.ndarray, shift: int, even: int | None) -> Lines:
    """The lines of segments that are feasible."""
    top = stairs.at.shape[1]
    ends = np.concatenate([starts[:, 1:], stairs.hi + 1], axis=1)
    used = starts < ends
    fits = []
    for q in range(starts.shape[1]):  # an unused segment is fitted to the row's last integer
        lo = np.minimum(starts[:, q : q + 1], stairs.hi)
        part = stairs.part(lo, np.maximum(ends[:, q : q + 1] - 1, lo))
        fits.append((part, *part.factors(shift, even)))
    least = np.stack([low for _, low, _ in fits], axis=1)
    greatest = np.stack([high for *_, high in fits], axis=1)
    limit = max((1 << int(least[used].max()).bit_length()) - 1, 1)
    m = (least + np.minimum(greatest, limit)) // 2
    common = int(least[used].max()), int(greatest[used].min())
    if common[0] <= common[1]:
        m[:] = fewest_digits(*common)
    low, high = (
        np.stack(b, axis=1)
        for b in zip(*(part.room(m[:, q], shift, even) for q, (part, *_) in enumerate(fits)),
                     strict=True)
    )  # fmt: skip
    b = _roundest(np.maximum(low, -_FAR >> 1), np.minimum(high, _FAR >> 1), used)

    # x' is counted from where the line is first at least 0, or from the segment's start.
    at_start = np.stack([(part.at <= part.lo).sum(axis=1) for part, *_ in fits], axis=1)
    first = at_start if starts.shape[1] > 1 else np.where(m == 0, at_start, 0)
    rest, m_ = b - (first << shift), np.maximum(m, 1)
    c = np.where(m == 0, -starts, rest // m_)
    rest = np.where(m == 0, rest.clip(0, (1 << shift) - 1), rest % m_)
    reach = np.where(stairs.at[:, -1:] < ends, stairs.at[:, -1:], ends) - 1 + c
    bits = max(int(reach[used].max()), 1).bit_length()
    c, rest, first, m = (np.where(used, a, a[:, :1]) for a in (c, rest, first, m))
    c = c.clip(-int(stairs.hi.max()) - 1, (1 << bits) - int(stairs.lo.min()))

    # Segments of flipped rows are found from x too: their order turns.
    flip = stairs.flip[:, None]
    breaks = np.where(flip, -starts[:, :0:-1], starts[:, 1:])
    order = np.arange(starts.shape[1])
    order = np.where(flip, order[::-1], order)
    named = {"c": c, "m": m, "b": rest, "first": first}
    parts = {name: np.take_along_axis(a, order, 1) for name, a in named.items()}
    parts |= {"breaks": breaks, "flip": stairs.flip}
    if all(bool((a == a[:1]).all()) for a in parts.values()):
        parts = {name: a[:1] for name, a in parts.items()}
    return Lines(**parts, shift=shift, bits=bits, top=top, even=even)


def fewest_digits(low: int, high: int) -> int:
    """The integer of ``low..high`` with the fewest non-zero canonical signed digits; 0 <= low."""
    rounded = (-(-low >> k) << k for k in range(high.bit_length()))  # multiples of powers of two
    options = {*range(low, min(high, low + 4096) + 1), *(v for v in rounded if v <= high)}
    return min(options, key=lambda v: ((v ^ 3 * v).bit_count(), v))


def _roundest(low: np.ndarray, high: np.ndarray, used: np.ndarray) -> np.ndarray:
    """An integer of each interval, all with as many low zero bits as the used ones can have."""
    zeros = 0
    while zeros < 61 and ((high >> (zeros + 1) << (zeros + 1)) >= low)[used].all():
        zeros += 1
    options = -(-low >> zeros) << zeros, (high >> zeros) << zeros
    return np.where(np.abs(options[0]) < np.abs(options[1]), *options)


def equals(lines: Lines, stairs: Stairs) -> bool:
    """Whether the lines are the stairs, for every integer between their bounds.

    A line does not fall within a segment (its clip ends included), so what holds at every threshold
    and just before it, and at both ends of every segment, holds between.
    """
    flip = stairs.flip[:, None]
    breaks = np.broadcast_to(lines.breaks, (len(stairs.at), lines.breaks.shape[1]))
    breaks = np.where(flip, ~breaks, breaks)
    points = [stairs.at, stairs.at - 1, stairs.lo, stairs.hi, breaks, breaks - 1, breaks + 1]
    x = np.concatenate(points, axis=1).clip(stairs.lo, stairs.hi)
    count = np.stack([np.searchsorted(t, v, "right") for t, v in zip(stairs.at, x, strict=True)])
    return bool((lines(np.where(flip, ~x, x).T) == count.T).all())
