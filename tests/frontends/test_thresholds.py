"""Threshold tables against the function itself, integer by integer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.frontends import thresholds
from hwgen.frontends.thresholds import NotMonotoneError, codes_of, discharge, is_identity
from hwgen.ir.chain import Chain
from hwgen.ops import Threshold


def everything(range_: IntRange, channels: int) -> np.ndarray:
    x = np.arange(range_.lo, range_.hi + 1)[:, None]
    return np.broadcast_to(x, (range_.size, channels))


@st.composite
def chains(draw: st.DrawFn) -> tuple[Chain, int]:
    """Scale, bias, batch normalization, activation, quantizer; gains of both signs."""
    channels = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    chain = Chain().then("affine", mul=rng.normal(0, 0.02, channels), add=rng.normal(0, 1))
    if draw(st.booleans()):
        gain = rng.normal(0, 1, channels).astype(np.float32)
        chain = chain.then("batchnorm", scale=gain, bias=np.float32(0.3), mean=np.float32(0.1),
                           var=np.float32(0.7), epsilon=np.float32(1e-5))  # fmt: skip
    if draw(st.booleans()):
        chain = chain.then(draw(st.sampled_from(["relu", "sigmoid", "tanh"])))
    bits = draw(st.integers(1, 8))
    scale = np.float32(rng.uniform(0.3, 3) / 2**bits)
    mode = draw(st.sampled_from(["ROUND", "FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]))
    chain = chain.then("quantize", scale=scale, zero=np.float32(draw(st.integers(0, 2))),
                       lo=np.float32(0), hi=np.float32(2**bits - 1), rounding=mode)  # fmt: skip
    return chain, channels


@given(chains(), st.integers(-300, 300), st.integers(0, 900))
def test_enumeration_gives_the_function(case: tuple[Chain, int], lo: int, length: int) -> None:
    (chain, channels), range_ = case, IntRange(lo, lo + length)
    op = discharge(codes_of(chain), range_, channels)
    x = everything(range_, channels)
    assert np.array_equal(op.reference(x), codes_of(chain)(x))
    assert op.thresholds.min(initial=range_.lo) >= range_.lo
    assert op.thresholds.max(initial=range_.hi) <= range_.hi + 1


@given(chains())
def test_bisection_gives_the_function(case: tuple[Chain, int]) -> None:
    (chain, channels), range_ = case, IntRange(-5000, 4000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "ENUMERATE", 0)
        op = discharge(codes_of(chain), range_, channels)
    x = everything(range_, channels)
    assert np.array_equal(op.reference(x), codes_of(chain)(x))


@given(chains(), chains(), st.integers(0, 1 << 30))
def test_composition_is_one_after_the_other(
    one: tuple[Chain, int], two: tuple[Chain, int], seed: int
) -> None:
    rng, range_ = np.random.default_rng(seed), IntRange(-40, 60)
    channels = two[1]
    table = np.sort(rng.integers(-60, 80, (channels, 9)), axis=1)
    inner = Threshold(table, -3, rng.integers(0, 2, channels))
    outer = codes_of(two[0])
    op = discharge(outer, range_, channels, inner)
    x = everything(range_, channels)
    assert np.array_equal(op.reference(x), outer(inner.reference(x)))


def test_a_function_that_turns_is_refused() -> None:
    def hill(x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, x, -x)

    for bound in (1 << 20, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(thresholds, "ENUMERATE", bound)
            with pytest.raises(NotMonotoneError, match="channel 0"):
                discharge(hill, IntRange(-9, 9), 2)


def test_a_narrow_dent_is_found_by_bisection() -> None:
    """A step that falls back right after a threshold must not pass."""

    def dented(x: np.ndarray) -> np.ndarray:
        return ((x >= 70_001) & (x != 70_003)).astype(np.int64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "ENUMERATE", 0)
        with pytest.raises(NotMonotoneError):
            discharge(dented, IntRange(0, 1 << 20), 1)


def test_constant_functions_have_no_thresholds() -> None:
    for bound in (1 << 20, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(thresholds, "ENUMERATE", bound)
            op = discharge(lambda x: np.full(x.shape, 5), IntRange(0, 9), 3)
        assert (op.steps, op.base) == (0, 5)


def test_equal_rows_collapse_and_identity_is_seen() -> None:
    op = discharge(lambda x: x, IntRange(-3, 4), 5)
    assert op.thresholds.shape == (1, 7)
    assert is_identity(op, IntRange(-3, 4))
    assert not is_identity(discharge(lambda x: -x, IntRange(-3, 3), 5), IntRange(-3, 3))
