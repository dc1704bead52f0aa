"""Elementwise functions, exact and transcendental, for random networks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tests.frontends.writer import MICROSOFT, Act, Soft, Writer

EXACT = ("Relu", "Clip", "LeakyRelu", "PRelu", "HardSigmoid", "Neg", "Abs", "scale", "shift",
         "BatchNormalization")  # fmt: skip
SOFT = ("Sigmoid", "Tanh", "Elu", "Selu", "Celu", "Softplus", "Softsign", "HardSwish", "Erf",
        "Mish", "Gelu", "Gelu", "gelu", "silu")  # fmt: skip


def function(w: Writer, a: Act) -> Act:
    """A random one of ``a``; in the QOperator dialect perhaps on codes."""
    if w.dialect == "qoperator" and a.kind in ("int8", "uint8") and a.codes and w.maybe():
        return _on_codes(w, a)
    if w.maybe(0.6):
        return _exact(w, w.pick(*EXACT), a)
    return _soft(w, w.pick(*SOFT), a)


def _exact(w: Writer, op: str, a: Act) -> Act:
    x, column = w.real(a), (1, a.shape[1], *[1] * (len(a.shape) - 2))
    match op:
        case "Clip":
            y = w.node(op, x, w.const(w.pick(0.0, -w.power(a.spread))), w.const(w.power(a.spread)))
        case "LeakyRelu":
            y = w.node(op, x, alpha=w.pick(0.125, 0.25))
        case "PRelu":
            slope = 2.0 ** w.rng.integers(-4, 1, column[1:])
            y = w.node(op, x, w.const(slope if w.maybe() else slope.ravel()[:1]))
        case "HardSigmoid":
            return replace(a, real=w.node(op, x, alpha=0.25, beta=0.5), codes="", spread=0.5)
        case "scale":
            sign = w.rng.choice([-1.0, 1.0], column) * 2.0 ** w.rng.integers(-1, 2, column)
            y = w.node("Mul", *w.rng.permutation([x, w.const(w.pick(sign, 0.5))]))
        case "shift":
            shift = w.const(w.dyadic(column, a.spread / 2))
            y = w.node(w.pick("Add", "Sub"), *w.rng.permutation([x, shift]))
        case "BatchNormalization":
            gamma = w.rng.choice([-1.0, 0.5, 1.0, 2.0], a.shape[1])
            bias, mean = (w.dyadic((a.shape[1],), a.spread / 4) for _ in range(2))
            var = np.full(a.shape[1], 1 - 2.0**-10)
            y = w.node(op, x, *map(w.const, (gamma, bias, mean, var)), epsilon=2.0**-10)
        case _:
            y = w.node(op, x)
    return replace(a, real=y, codes="")


def _soft(w: Writer, op: str, a: Act) -> Act:
    """Of what is on a grid: a function of a rounded function has no decidable ties."""
    if a.soft:
        a = w.quantized(a)
    x, spread = w.real(a), a.spread
    if op == "Gelu" and w.opset >= 20:
        y = w.node("Gelu", x, approximate=w.pick("none", "tanh"))
    elif op in ("Gelu", "gelu"):
        erf = w.node("Erf", w.node("Div", x, w.const(math.sqrt(2))))
        y = w.node("Mul", w.node("Mul", x, w.node("Add", erf, w.const(1.0))), w.const(0.5))
    elif op in ("silu", "Mish") and (op == "silu" or w.opset < 18):
        y = w.node("Mul", *w.rng.permutation([x, w.node("Sigmoid", x)]))
    elif op == "HardSwish" and w.opset < 14:
        y = w.node("Mul", x, w.node("HardSigmoid", x, alpha=1 / 6, beta=0.5))
    else:
        y = w.node(op, x)
        if op in ("Sigmoid", "Tanh", "Softsign", "Erf"):
            spread = 0.5
    return Act(a.shape, spread, y, soft="function")


def sigmoid(w: Writer, a: Act) -> Act:
    """A gate between 0 and 1."""
    if w.maybe():
        return _exact(w, "HardSigmoid", a)
    return _soft(w, "Sigmoid", a)


def _on_codes(w: Writer, a: Act) -> Act:
    op = w.pick("QLinearLeakyRelu", "QLinearSigmoid")
    spread = 0.5 if op == "QLinearSigmoid" else a.spread
    scale, zero, kind = w.grid(spread, a.kind)
    given = [w.const(a.scale), w.const(a.zero, kind), w.const(scale), w.const(zero, kind)]
    attrs = {"alpha": 0.125} if op == "QLinearLeakyRelu" else {}
    y = w.node(op, a.codes, *given, domain=MICROSOFT, **attrs)
    if op == "QLinearSigmoid":
        w.soft.append(Soft(a.codes, lambda q: 1 / (1 + np.exp(-(q - a.zero) * a.scale)) / scale))
    return Act(a.shape, spread, "", y, scale, zero, kind)
