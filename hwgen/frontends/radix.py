"""Rearrangements as a Reshape, a Transpose and a Reshape, where some sizes of axes allow that."""

from __future__ import annotations

import math

import numpy as np


def as_transpose(order: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """A shape and axes with ``arange(n).reshape(shape).transpose(axes).ravel() == order.ravel()``.

    Positions are read as numbers of mixed radix: from the last digit on, each is the longest run of
    equal steps that the whole order repeats. None where that is no order of digits.
    """
    digits, rest = [], order.ravel()
    while len(rest) > 1:
        step = int(rest[1] - rest[0])
        broken = np.flatnonzero(np.diff(rest) != step)
        longest = int(broken[0]) + 1 if len(broken) else len(rest)
        for size in range(longest, 1, -1):
            if len(rest) % size == 0:
                rows = rest.reshape(-1, size)
                if (rows - rows[:, :1] == step * np.arange(size)).all():
                    break
        else:
            return None
        digits.insert(0, (step, size))
        rest = rows[:, 0]
    places = sorted(range(len(digits)), key=lambda k: -digits[k][0])
    shape = tuple(digits[k][1] for k in places)
    axes = tuple(int(k) for k in np.argsort(places))
    if math.prod(shape) != order.size:
        return None
    same = np.array_equal(
        np.arange(order.size).reshape(shape).transpose(axes).ravel(), order.ravel()
    )
    return (shape, axes) if same else None
