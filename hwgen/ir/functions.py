"""The elementwise functions of ONNX on float32, each rounded to float32 where onnxruntime rounds.

Transcendental ones are computed in float64 and rounded once, which is nearer to the true value than
any float32 library: a runtime may differ from them in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

F32, F64 = np.float32, np.float64


def f32(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=F32)


def _precisely(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """``function`` on the float64 of a float32 argument, its result rounded once."""
    return lambda x, **args: f32(function(f32(x).astype(F64), **args))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function of float64, elementwise; equal arguments are computed once."""
    values, where = np.unique(x, return_inverse=True)
    return np.array([math.erf(v) for v in values], F64)[where].reshape(np.shape(x))


def _gelu(x: np.ndarray, approximate: str) -> np.ndarray:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0)


FUNCTIONS: Mapping[str, Callable[..., np.ndarray]] = {
    "neg": lambda x: -f32(x),
    "abs": lambda x: np.abs(f32(x)),
    "sign": lambda x: np.sign(f32(x)),
    "floor": lambda x: np.floor(f32(x)),
    "ceil": lambda x: np.ceil(f32(x)),
    "round": lambda x: np.rint(f32(x)),
    "relu": lambda x: np.maximum(x, F32(0)),
    "leaky_relu": lambda x, slope: np.where(f32(x) < 0, f32(f32(x) * f32(slope)), f32(x)),
    "hard_swish": lambda x: f32(f32(x) * f32(np.clip(f32(f32(x) / F32(6) + F32(0.5)), 0, 1))),
    "sqrt": _precisely(np.sqrt),
    "exp": _precisely(np.exp),
    "log": _precisely(np.log),
    "rdiv": lambda x, c: f32(f32(c) / f32(x)),
    "erf": _precisely(erf),
    "sigmoid": _precisely(_sigmoid),
    "tanh": _precisely(np.tanh),
    "softplus": _precisely(_softplus),
    "softsign": _precisely(lambda x: x / (1 + np.abs(x))),
    "mish": _precisely(lambda x: x * np.tanh(_softplus(x))),
    "swish": _precisely(lambda x, alpha: x * _sigmoid(alpha * x)),
    "gelu": _precisely(_gelu),
    "elu": _precisely(lambda x, alpha: np.where(x < 0, alpha * np.expm1(x), x)),
    "selu": _precisely(
        lambda x, alpha, gamma: gamma * np.where(x < 0, alpha * np.expm1(x), x)
    ),
    "celu": _precisely(lambda x, alpha: np.where(x < 0, alpha * np.expm1(x / alpha), x)),
    "pow": _precisely(lambda x, c: np.power(x, c)),
}  # fmt: skip
