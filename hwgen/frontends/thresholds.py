"""Exact threshold tables: what is left of a chain of float functions that ends in a quantizer.

The chain is evaluated in the model's own float32 arithmetic, so that each threshold falls where
the model itself rounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.chain import Chain
from hwgen.ops import Threshold

LARGEST = 1 << 20  # entries of a table
FINEST = 1 << 16  # entries of one of its rows
ENUMERATE = 1 << 20  # integers times channels up to which every single one is evaluated
SAMPLES = 1 << 12
RUNS = 1 << 24  # integers times channels up to which a function that turns is evaluated
_CHUNK = 1 << 17

Function = Callable[[np.ndarray], np.ndarray]  # integers (..., C) to integers (..., C)


class NotMonotoneError(Exception):
    """The function neither only rises nor only falls in ``channel``, around ``near``."""

    def __init__(self, channel: int, near: int) -> None:
        super().__init__(f"channel {channel} rises and falls around the integer {near}")


class TooFineError(Exception):
    """The function has more steps than a table of thresholds may hold."""

    def __init__(self, steps: int, channels: int) -> None:
        super().__init__(f"it has {steps} steps in each of {channels} channels")


def _check_size(steps: int, channels: int) -> None:
    if steps > FINEST or steps * channels > LARGEST:
        raise TooFineError(steps, channels)


def codes_of(chain: Chain) -> Function:
    """A chain that ends in a quantizer, as a function of integers."""
    tables = [np.asarray(s.args["thresholds"]) for s in chain.steps if s.kind == "count"]
    wide = max((table.shape[-1] for table in tables), default=1)  # it compares with each

    def function(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(-1, x.shape[-1])
        step = max(1, _CHUNK // (flat.shape[1] * wide))
        parts = [chain(flat[i : i + step]) for i in range(0, len(flat), step)]
        shaped = [np.broadcast_to(part, flat[i * step : (i + 1) * step].shape)
                  for i, part in enumerate(parts)]  # fmt: skip
        return np.rint(np.concatenate(shaped)).astype(np.int64).reshape(x.shape)

    return function


def tabulated(function: Function, range_: IntRange, channels: int) -> np.ndarray:
    """``function`` of every integer of a range, ``(range_.size, channels)``."""
    every = np.arange(range_.lo, range_.hi + 1)[:, None]
    return function(np.broadcast_to(every, (range_.size, channels)))


def discharge(
    function: Function, range_: IntRange, channels: int, inner: Threshold | None = None
) -> Threshold:
    """The thresholds of ``function`` over ``range_``; composed after ``inner`` where that is given.

    ``inner`` is the Threshold whose output the function reads; ``range_`` is then the range of
    *its* input. Up to ``ENUMERATE`` points all are evaluated; beyond, each threshold is found by
    bisection and then checked. Raises NotMonotoneError, TooFineError.
    """
    if inner is not None:
        lo = np.full((1, channels), range_.lo)
        rows = np.broadcast_to(inner.thresholds, (channels, inner.steps)).T
        starts = np.clip(np.concatenate([lo, rows, lo + range_.size]), range_.lo, range_.hi + 1)
        count = np.arange(inner.steps + 1)[:, None]
        falling = np.broadcast_to(inner.falling, channels)
        return tabulate(
            starts, function(inner.base + np.where(falling, inner.steps - count, count))
        )
    if range_.size * channels <= ENUMERATE:
        starts = np.arange(range_.lo, range_.hi + 2)[:, None]
        values = function(np.broadcast_to(starts[:-1], (range_.size, channels)))
        return tabulate(np.broadcast_to(starts, (range_.size + 1, channels)), values)
    return _bisect(function, range_, channels)


def runs_of(
    function: Function, range_: IntRange, channels: int, largest: int
) -> tuple[Threshold, np.ndarray] | None:
    """Any function in two steps: which run of equal values, and the runs' values ``(C, runs)``.

    None where a channel has more than ``largest`` runs. Every integer of the range is evaluated;
    where those are more than ``RUNS``, None as well.
    """
    if range_.size * channels > RUNS:
        return None
    step = max(1, _CHUNK // channels)
    starts: list[list[np.ndarray]] = [[] for _ in range(channels)]
    values: list[list[np.ndarray]] = [[] for _ in range(channels)]
    before: np.ndarray | None = None
    for low in range(range_.lo, range_.hi + 1, step):
        x = np.arange(low, min(low + step, range_.hi + 1))
        y = function(np.broadcast_to(x[:, None], (len(x), channels)))
        first = np.ones((1, channels), bool) if before is None else y[:1] != before
        new = np.concatenate([first, y[1:] != y[:-1]])
        for c in range(channels):
            starts[c].append(x[new[:, c]])
            values[c].append(y[new[:, c], c])
        before = y[-1:]
    rows, table = [np.concatenate(r)[1:] for r in starts], [np.concatenate(v) for v in values]
    longest = max(map(len, table))
    if longest > largest:
        return None
    never = range_.hi + 1
    thresholds = [np.pad(r, (0, longest - 1 - len(r)), constant_values=never) for r in rows]
    runs = np.stack([np.pad(v, (0, longest - len(v)), mode="edge") for v in table])
    return collapse(np.stack(thresholds), 0, np.zeros(channels, bool)), runs


def tabulate(starts: np.ndarray, values: np.ndarray) -> Threshold:
    """The Threshold with ``values[k, c]`` from ``starts[k, c]`` to below ``starts[k+1, c]``.

    ``starts`` ``(K+1, C)`` does not fall; ``values`` ``(K, C)``. Raises NotMonotoneError.
    """
    reached = starts[:-1] < starts[1:]
    low, high = int(values[reached].min()), int(values[reached].max())
    # An interval without integers takes its neighbour's value, which changes nothing.
    values = np.clip(values, low, high)
    steps = np.diff(values, axis=0)
    rises, falls = np.asarray((steps > 0).any(axis=0)), np.asarray((steps < 0).any(axis=0))
    if (both := rises & falls).any():
        c = int(np.flatnonzero(both)[0])
        turn = np.flatnonzero(np.sign(steps[:, c]) == -np.sign(steps[steps[:, c] != 0, c][0]))[0]
        raise NotMonotoneError(c, int(starts[turn + 1, c]))
    _check_size(high - low, values.shape[1])
    wanted = np.arange(1, high - low + 1)
    count = np.where(falls, high - values, values - low)
    table = np.empty((values.shape[1], len(wanted)), np.int64)
    for c in range(len(table)):
        table[c] = starts[np.searchsorted(count[:, c], wanted, side="left"), c]
    return collapse(table, int(low), falls)


def collapse(table: np.ndarray, base: int, falls: np.ndarray) -> Threshold:
    """A Threshold with one row where all channels agree."""
    if (table == table[:1]).all() and (falls == falls[0]).all():
        table, falls = table[:1], falls[:1]
    return Threshold(table, base, falls.astype(np.int64))


def is_identity(op: Threshold, range_: IntRange) -> bool:
    """Whether every integer of the range is its own image."""
    if op.steps != range_.size - 1:
        return False
    x = np.arange(range_.lo, range_.hi + 1)[:, None]
    wide = np.broadcast_to(x, (range_.size, len(op.thresholds)))
    return bool((op.reference(wide) == wide).all())


def sample(range_: IntRange) -> np.ndarray:
    """Rising integers of a range: all of a small one, else its ends and many in between."""
    if range_.size <= SAMPLES:
        return np.arange(range_.lo, range_.hi + 1)
    inner = np.random.default_rng(0).integers(range_.lo, range_.hi, SAMPLES, endpoint=True)
    return np.unique(np.concatenate([[range_.lo, range_.hi], inner, inner + 1]).clip(max=range_.hi))


def _bisect(function: Function, range_: IntRange, channels: int) -> Threshold:
    points = sample(range_)
    values = function(np.broadcast_to(points[:, None], (len(points), channels)))
    steps = np.diff(values, axis=0)
    falls = np.asarray((steps < 0).any(axis=0))
    if (both := falls & (steps > 0).any(axis=0)).any():
        c = int(np.flatnonzero(both)[0])
        raise NotMonotoneError(c, int(points[np.flatnonzero(steps[:, c] < 0)[0]]))
    low, high = int(values.min()), int(values.max())
    _check_size(high - low, channels)
    wanted = np.arange(1, high - low + 1)[:, None]
    if low == high:
        return collapse(np.empty((channels, 0), np.int64), low, falls)

    def count(x: np.ndarray) -> np.ndarray:
        y = function(x)
        return np.where(falls, high - y, y - low)

    below = np.full((high - low, channels), range_.lo)
    above = np.full((high - low, channels), range_.hi + 1)
    while (open_ := below < above).any():
        middle = (below + above) // 2
        reached = count(np.minimum(middle, range_.hi)) >= wanted
        above = np.where(open_ & reached, middle, above)
        below = np.where(open_ & ~reached, middle + 1, below)
    for offset in range(-4, 5):  # the function must step exactly at, and around, each threshold
        x = (above + offset).clip(range_.lo, range_.hi)
        wrong = (count(x) >= wanted) != (x >= above)
        if wrong.any():
            j, c = map(int, np.argwhere(wrong)[0])
            raise NotMonotoneError(c, int(x[j, c]))
    return collapse(np.ascontiguousarray(above.T), low, falls)
