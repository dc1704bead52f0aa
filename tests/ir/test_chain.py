"""Float functions as data: each step against its definition, in the arithmetic of float32."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.ir.chain import Chain, Step

F = np.float32
X = np.array([[-3.0, -1.5, -0.5, 0.0], [0.5, 1.5, 2.5, 1e30]], F)


def apply(kind: str, x: np.ndarray = X, **args: object) -> np.ndarray:
    return Chain().then(kind, **args)(x)


def one_by_one(function, x: np.ndarray = X) -> np.ndarray:
    return np.array([function(v) for v in x.ravel().tolist()]).reshape(x.shape)


@pytest.mark.parametrize(
    ("kind", "args", "function"),
    [
        ("add", {"c": F(0.1)}, lambda v: F(v) + F(0.1)),
        ("sub", {"c": F(0.1)}, lambda v: F(v) - F(0.1)),
        ("rsub", {"c": F(0.1)}, lambda v: F(0.1) - F(v)),
        ("mul", {"c": F(0.3)}, lambda v: F(v) * F(0.3)),
        ("div", {"c": F(0.3)}, lambda v: F(v) / F(0.3)),
        ("neg", {}, lambda v: -v),
        ("relu", {}, lambda v: max(v, 0)),
        ("clip", {"lo": F(-1), "hi": F(2)}, lambda v: min(max(v, -1), 2)),
        ("bipolar", {}, lambda v: 1 if v >= 0 else 0),
        ("affine", {"mul": 0.1, "add": 0.7}, lambda v: F(v * 0.1 + 0.7)),
        ("sigmoid", {}, lambda v: F(1 / (1 + math.exp(-v)))),
        ("tanh", {}, lambda v: F(math.tanh(F(v)))),
    ],
)
def test_elementwise_steps(kind: str, args: dict, function) -> None:
    np.testing.assert_array_equal(apply(kind, **args), one_by_one(function))


def test_constants_may_differ_per_channel() -> None:
    c = np.array([1, 2, 3, 4], F)
    np.testing.assert_array_equal(apply("mul", c=c), X * c)


ROUNDINGS = {
    "ROUND": [-2, -2, 0, 0, 0, 2, 2], "HALF_EVEN": [-2, -2, 0, 0, 0, 2, 2],
    "FLOOR": [-3, -2, -1, 0, 0, 1, 2], "CEIL": [-2, -1, 0, 0, 1, 2, 3],
    "UP": [-3, -2, -1, 0, 1, 2, 3], "DOWN": [-2, -1, 0, 0, 0, 1, 2],
    "HALF_UP": [-3, -2, -1, 0, 1, 2, 3], "HALF_DOWN": [-2, -1, 0, 0, 0, 1, 2],
}  # fmt: skip


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_rounding_of_halves(rounding: str) -> None:
    x = np.array([-2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5], F)
    y = apply("quantize", x, scale=F(1), zero=F(0), lo=F(-9), hi=F(9), rounding=rounding)
    assert y.tolist() == ROUNDINGS[rounding]


@given(st.floats(-20, 20, width=32), st.integers(-3, 3), st.sampled_from([0.25, 1.0, 4.0]))
def test_quantize_divides_shifts_clamps_rounds(v: float, zero: int, scale: float) -> None:
    """Each in float32; Python's round takes halves to even, too."""
    y = apply("quantize", np.array([[v]], F), scale=F(scale), zero=F(zero), lo=F(-8), hi=F(7),
              rounding="ROUND")  # fmt: skip
    exact = float(F(F(v) / F(scale)) + F(zero))
    assert y.item() == round(min(max(exact, -8), 7))


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown step 'fly'"):
        Step("fly")
    with pytest.raises(ValueError, match="unknown rounding mode 'NEAR'"):
        apply("quantize", scale=F(1), zero=F(0), lo=F(0), hi=F(1), rounding="NEAR")


def test_batch_normalization() -> None:
    """Variances whose roots are powers of two, so that float32 is exact."""
    parameters = {"scale": [1, -2, 3, 4], "bias": [0, 1, 2, 3], "mean": [1, 1, 0, 0],
                  "var": [3, 15, 63, 0]}  # fmt: skip
    y = apply("batchnorm", np.array([[1, 2, 3, 4]], F), epsilon=F(1),
              **{name: np.array(value, F) for name, value in parameters.items()})  # fmt: skip
    assert y.tolist() == [[0, 0.5, 3.125, 19]]


def test_softmax_sums_to_one() -> None:
    y = apply("softmax", np.array([[1, 1, 1, 1], [1000, 0, 0, 0]], F))
    assert y.tolist() == [[0.25] * 4, [1, 0, 0, 0]]


def test_count_counts_thresholds() -> None:
    table = np.array([[-2, 0, 2], [-1, -1, 9], [0, 1, 2], [5, 6, 7]])
    y = apply("count", X, thresholds=table)
    assert y.tolist() == [[0, 0, 0, 0], [2, 2, 3, 3]]


def test_steps_are_applied_in_order() -> None:
    chain = Chain().then("mul", c=F(2)).then("add", c=F(1)).then("relu")
    np.testing.assert_array_equal(chain(X[:1]), [[0, 0, 0, 1]])
    assert str(chain) == "mul(c=2) . add(c=1) . relu()"
    assert str(Chain()) == "identity"
    np.testing.assert_array_equal(Chain()(X), X)


def test_constants_cannot_change_later() -> None:
    c = np.array([1, 2], F)
    chain = Chain().then("add", c=c)
    c[:] = 9
    assert chain(np.zeros((1, 2), F)).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="read-only"):
        chain.steps[0].args["c"][:] = 0  # type: ignore[index]
