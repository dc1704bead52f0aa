"""Exact integer matrix products at the speed of the machine's floating-point unit."""

from __future__ import annotations

import numpy as np

_EXACT = 1 << 53  # float64 holds every integer up to here


def integer_matmul(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """``x @ w`` for integer arrays ``(..., K)`` and ``(K, N)``, exactly, as int64.

    A float64 product is exact, in any order of summation, while the sum of all magnitudes stays
    within 2^53; that bound is checked first. Beyond it the product is taken in int64.
    """
    bound = int(np.abs(x).max(initial=0)) * int(np.abs(w).sum(axis=0).max(initial=0))
    if bound <= _EXACT:
        return np.rint(x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
    return x.astype(np.int64) @ w.astype(np.int64)
