"""Elementwise ONNX operators: they extend the chain of a tensor, or join two tensors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from onnx import TensorProto

from hwgen.core.intrange import IntRange
from hwgen.frontends.call import Call, handles
from hwgen.frontends.joints import added, aligned, joined
from hwgen.frontends.lifted import Constant, Lifted, Tensor, affine_of
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.types import codes_of_type
from hwgen.ir.chain import Chain
from hwgen.ops import Mul

F32 = np.float32
OPEN = (F32(-np.inf), F32(np.inf))
EXACT = 1 << 24  # float32 holds every integer up to here


@handles("Cast", patient=True)
def cast(_: Lifter, call: Call) -> Tensor:
    x = call.lifted(integer=True)
    if call.attrs.get("to") != TensorProto.FLOAT:
        raise call.error("it casts a tensor to something other than float32")
    if x.dtype == "float32":
        return x
    return replace(x, dtype="float32").then(call.name, "affine", mul=1.0, add=0.0)


# A tensor and a constant, or two tensors


def _operands(
    lifter: Lifter, call: Call, *, integer: bool = False
) -> tuple[Lifted, np.ndarray, bool]:
    """The tensor, the constant as float32 along its channels, and whether the constant is first.

    ``integer`` tensors are let through as long as float32 holds their values.
    """
    swapped = isinstance(call.get(0), Constant)
    x, c = call.lifted(int(swapped), integer=integer), call.constant(int(not swapped), "constant")
    if x.dtype != "float32":
        range_ = lifter.integers(x)
        if max(-range_.lo, range_.hi, int(np.abs(c.astype(np.int64)).max(initial=0))) >= EXACT // 2:
            raise call.error(
                f"its integers reach beyond {EXACT // 2}", "cast them to float32 first"
            )
    x, (c,) = lifter.constants(x, c.astype(F32))
    return x, c, swapped


def _two_tensors(call: Call) -> tuple[Lifted, Lifted] | None:
    if not (isinstance(call.get(0), Lifted) and isinstance(call.get(1), Lifted)):
        return None
    return call.lifted(0), call.lifted(1)


@handles("Add", patient=True)
def add(lifter: Lifter, call: Call) -> Lifted:
    return _sum(lifter, call)


def _sum(lifter: Lifter, call: Call) -> Lifted:
    if (two := _two_tensors(call)) is not None:
        return added(lifter, lifter.solid(two[0]), lifter.solid(two[1]))
    x, c, _ = _operands(lifter, call, integer=True)
    return _unwrapped(lifter, call, x.then(call.name, "add", c=c))


def _unwrapped(lifter: Lifter, call: Call, y: Lifted) -> Lifted:
    """``y``, whose chain adds to integers, unless the source's integer type would overflow."""
    range_ = codes_of_type(y.dtype)
    if range_ is not None:
        x = lifter.integers(y)
        reach = y.chain(np.array([[x.lo], [x.hi]]))
        if reach.min() < range_.lo or reach.max() > range_.hi:
            raise call.error(f"its result may overflow {y.dtype}", "cast to float32 before it")
    return y


@handles("Sum", patient=True)
def sum_of_several(lifter: Lifter, call: Call) -> Lifted:
    if len(call.inputs) == 1:
        return call.lifted()
    total = call.inputs[0]
    for x in call.inputs[1:]:
        total = _sum(lifter, replace(call, inputs=(total, x)))
    assert isinstance(total, Lifted)
    return total


@handles("Sub", patient=True)
def sub(lifter: Lifter, call: Call) -> Lifted:
    if (two := _two_tensors(call)) is not None:
        first, second = (lifter.solid(x) for x in two)
        return added(lifter, first, second.then(call.name, "neg"))
    x, c, swapped = _operands(lifter, call, integer=True)
    return _unwrapped(lifter, call, x.then(call.name, "rsub" if swapped else "sub", c=c))


@handles("Mul", patient=True)
def mul(lifter: Lifter, call: Call) -> Lifted:
    if (two := _two_tensors(call)) is not None:
        return product(lifter, lifter.solid(two[0]), lifter.solid(two[1]))
    x, c, _ = _operands(lifter, call)
    return x.then(call.name, "mul", c=c)


def product(lifter: Lifter, a: Lifted, b: Lifted) -> Lifted:
    """The product of two tensors: exact on codes for which zero is zero."""
    if a.index.size < b.index.size:
        a, b = b, a
    a, b = aligned(lifter, a, b)
    same = joined(lifter, "mul", a, b)
    if same is not None:
        return same
    a, b = (lifter.zeroed(lifter.grid(x)) for x in (a, b))
    assert isinstance(a.edge, str) and isinstance(b.edge, str)
    (m1, _), (m2, _) = affine_of(a.chain), affine_of(b.chain)  # type: ignore[misc]
    edge = lifter.emit(Mul(), a.edge, b.edge, origin=(*a.origin, *b.origin))
    return Lifted(edge, a.index, Chain().then("affine", mul=m1 * m2, add=0.0))


@handles("Div", patient=True)
def div(lifter: Lifter, call: Call) -> Lifted:
    if _two_tensors(call) is not None:
        raise call.error("it divides one tensor by another", "divide by constants only")
    x, c, swapped = _operands(lifter, call)
    if swapped:
        return x.then(call.name, "rdiv", c=c)
    if (c == 0).any():
        raise call.error("it divides by zero", code="HW104")
    return x.then(call.name, "div", c=c)


@handles("Max", "Min", patient=True)
def bound(lifter: Lifter, call: Call) -> Lifted:
    if len(call.inputs) != 2 or _two_tensors(call) is not None:
        raise call.error("it compares several tensors", "compare with one constant")
    x, c, _ = _operands(lifter, call)
    if call.op == "Max":
        return clipped(lifter, call, x, lo=c)
    return clipped(lifter, call, x, hi=c)


@handles("Pow", patient=True)
def power(lifter: Lifter, call: Call) -> Lifted:
    c = call.constant(1, "exponent").astype(F32)
    x, (c,) = lifter.constants(call.lifted(), c)
    return x.then(call.name, "pow", c=c)


@handles("PRelu", patient=True)
def prelu(lifter: Lifter, call: Call) -> Lifted:
    x = call.lifted()
    slope = call.constant(1, "slope").astype(F32)
    x, (slope,) = lifter.constants(x, slope)
    return x.then(call.name, "leaky_relu", slope=slope)


# One tensor

PLAIN = {
    "Sigmoid": "sigmoid", "Tanh": "tanh", "Neg": "neg", "Abs": "abs", "Sign": "sign",
    "Floor": "floor", "Ceil": "ceil", "Round": "round", "Sqrt": "sqrt", "Exp": "exp", "Log": "log",
    "Erf": "erf", "HardSwish": "hard_swish", "Softplus": "softplus",
    "Softsign": "softsign", "Mish": "mish",
}  # fmt: skip
WITH_CONSTANTS = {
    "LeakyRelu": ("leaky_relu", {"slope": ("alpha", 0.01)}),
    "Elu": ("elu", {"alpha": ("alpha", 1.0)}),
    "Celu": ("celu", {"alpha": ("alpha", 1.0)}),
    "Swish": ("swish", {"alpha": ("alpha", 1.0)}),
    "Selu": ("selu", {"alpha": ("alpha", 1.6732632423543772),
                      "gamma": ("gamma", 1.0507009873554805)}),
}  # fmt: skip


@handles(*PLAIN, patient=True)
def function(_: Lifter, call: Call) -> Lifted:
    return call.lifted().then(call.name, PLAIN[call.op])


@handles(*WITH_CONSTANTS, patient=True)
def function_with_constants(_: Lifter, call: Call) -> Lifted:
    kind, names = WITH_CONSTANTS[call.op]
    args = {key: F32(call.attrs.get(name, default)) for key, (name, default) in names.items()}
    return call.lifted().then(call.name, kind, **args)


@handles("Reciprocal", patient=True)
def reciprocal(_: Lifter, call: Call) -> Lifted:
    return call.lifted().then(call.name, "rdiv", c=F32(1))


@handles("Gelu", patient=True)
def gelu(_: Lifter, call: Call) -> Lifted:
    return call.lifted().then(call.name, "gelu", approximate=call.attrs.get("approximate", "none"))


@handles("Relu", patient=True)
def relu(lifter: Lifter, call: Call) -> Lifted:
    x = call.lifted(integer=True)
    if x.dtype != "float32":
        return clipped(lifter, call, x, lo=np.float32(0))
    return x.then(call.name, "relu")


@handles("Clip", patient=True)
def clip(lifter: Lifter, call: Call) -> Tensor:
    bounds = []
    for i, (attr, default) in enumerate((("min", -np.inf), ("max", np.inf)), start=1):
        value = call.constant(i, attr) if call.get(i) is not None else call.attrs.get(attr, default)
        bounds.append(F32(np.asarray(value).astype(np.float64).reshape(())))
    x = call.get(0)
    if isinstance(x, Constant):
        return Constant(np.clip(x.array.astype(np.float64), *bounds).astype(x.array.dtype))
    return clipped(lifter, call, call.lifted(integer=True), bounds[0], bounds[1])


def clipped(
    lifter: Lifter, call: Call, x: Lifted, lo: ArrayLike = OPEN[0], hi: ArrayLike = OPEN[1]
) -> Lifted:
    """``x`` between bounds. A tensor of integers takes them at once, as its codes."""
    if x.dtype == "float32":
        return x.then(call.name, "clip", lo=lo, hi=hi)
    range_ = lifter.integers(x)
    ends = np.clip([range_.lo, range_.hi], np.max(lo), np.min(hi)).astype(int)
    inside = IntRange(int(ends[0]), int(ends[1])) if not x.chain.steps else None
    y = lifter.codes(x, Chain().then("clip", lo=lo, hi=hi), inside)
    return replace(y, dtype=x.dtype)


@handles("HardSigmoid", patient=True)
def hard_sigmoid(_: Lifter, call: Call) -> Lifted:
    x = call.lifted().then(call.name, "mul", c=F32(call.attrs.get("alpha", 0.2)))
    x = x.then(call.name, "add", c=F32(call.attrs.get("beta", 0.5)))
    return x.then(call.name, "clip", lo=F32(0), hi=F32(1))


@handles("BatchNormalization", patient=True)
def batch_normalization(lifter: Lifter, call: Call) -> Lifted:
    if call.attrs.get("training_mode", 0) or any(call.needed[1:]):
        raise call.error("it is in training mode", "export the model in inference mode")
    x = call.lifted()
    if len(x.shape) < 2:
        raise call.error("its input has no channel axis")
    shape = (1, -1, *[1] * (len(x.shape) - 2))
    names = ("scale", "bias", "mean", "var")
    arrays = [call.constant(i, n).astype(F32) for i, n in enumerate(names, start=1)]
    if any(a.size != x.shape[1] for a in arrays):
        raise call.error(f"{arrays[0].size} parameters for {x.shape[1]} channels", code="HW103")
    if (arrays[3] < 0).any():
        raise call.error("a variance is negative", code="HW104")
    x, values = lifter.constants(x, *(a.reshape(shape) for a in arrays))
    epsilon = F32(call.attrs.get("epsilon", 1e-5))
    return x.then(call.name, "batchnorm", **dict(zip(names, values, strict=True)), epsilon=epsilon)
