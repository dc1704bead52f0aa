"""What property tests of streams draw."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.lowering.base import divisors

FEW = settings(max_examples=25, deadline=None)

seeds = st.integers(0, 2**16)
ranges = st.tuples(st.integers(-20, 20), st.integers(0, 40)).map(
    lambda pair: IntRange(pair[0], pair[0] + pair[1])
)


def integers(seed: int, range_: IntRange, *shape: int) -> np.ndarray:
    """Random elements of a range."""
    return np.random.default_rng(seed).integers(range_.lo, range_.hi + 1, shape)


def lanes_of(channels: int) -> st.SearchStrategy[int]:
    return st.sampled_from(divisors(channels))
