"""ONNX operators that become hardware: matrix products, convolutions, pooling, classification."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.frontends.lifted import LARGEST_WEIGHT, Constant, Feed, Lifted, Tensor, affine_of
from hwgen.frontends.lifter import Call, Lifter, handles
from hwgen.frontends.standard import RESIDUAL, RESIDUAL_HELP
from hwgen.ir.chain import Chain, Step
from hwgen.ops import Conv, MatMul, MaxPool, TopK
from hwgen.ops.window import Window

FINEST = 1 << 10  # largest ratio of two scales that is folded into integer weights


# Integer weights


def integers(call: Call, weight: Constant, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integer weights ``(..., K, N)`` and one scale per output ``(N,)`` of a weight.

    ``m`` is the scale of the input, a scalar or one per input channel ``(K,)``; it is folded in.
    Scales that differ along the inputs must be integer multiples of the smallest.
    """
    found = weight.quantized()
    if found is None:
        call.refuse("its weight is on no integer grid", "quantize the weight", "HW203")
    codes, scale = found
    scale = scale * (m[:, None] if m.ndim else m)
    magnitude = np.where(scale == 0, np.inf, np.abs(scale)).reshape(-1, scale.shape[-1])
    unit = magnitude.min(axis=0)
    unit = np.where(np.isinf(unit), 1.0, unit)
    ratio = scale / unit
    if not np.array_equal(ratio, np.rint(ratio)) or np.abs(ratio).max(initial=0) > FINEST:
        call.refuse("scales differ along its input channels, and not by integer factors",
                    "use one scale per tensor for activations, per output channel for weights")  # fmt: skip
    folded = codes * ratio.astype(np.int64)
    if np.abs(folded).max(initial=0) >= LARGEST_WEIGHT:
        call.refuse(f"weights reach {np.abs(folded).max()}, more than {LARGEST_WEIGHT - 1}")
    # a common sign in a column stays in its scale, so that weights read as the model has them
    sign = np.where((ratio.reshape(-1, ratio.shape[-1]) < 0).all(axis=0), -1, 1)
    return folded * sign, unit * sign


def _rows(weight: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Rows ``(..., K, N)`` moved to where the edge has their channel."""
    moved = np.empty_like(weight)
    moved[..., permutation, :] = weight
    return moved


def _along(values: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Per-channel numbers of an edge in the order of the tensor's channels."""
    return values[permutation] if values.ndim else values


# Matrix products


@handles("MatMul")
def matmul(lifter: Lifter, call: Call) -> Tensor:
    a, b = call.get(0), call.get(1)
    if isinstance(a, Lifted) and isinstance(b, Lifted):
        call.refuse(RESIDUAL, "attention and other products of activations are not supported")
    if isinstance(a, Constant) and isinstance(b, Lifted):
        if len(a.shape) != 2 or len(b.shape) != 2:
            call.refuse("a constant times a tensor is supported for matrices only")
        flipped = _product(lifter, call, b.layout(np.transpose), a.layout(np.transpose))
        return flipped.layout(np.transpose)
    assert isinstance(b, Constant)
    return _product(lifter, call, call.lifted(), b)


@handles("Gemm")
def gemm(lifter: Lifter, call: Call) -> Tensor:
    b = call.get(1)
    if not isinstance(b, Constant):
        call.refuse(RESIDUAL, RESIDUAL_HELP)
    x = call.lifted()
    x = x.layout(np.transpose) if call.attrs.get("transA", 0) else x
    y = _product(lifter, call, x, b.layout(np.transpose) if call.attrs.get("transB", 0) else b)
    alpha, beta = (np.float32(call.attrs.get(name, 1.0)) for name in ("alpha", "beta"))
    if alpha != 1:
        y = y.then(call.name, "mul", c=alpha)
    if call.get(2) is not None and beta != 0:
        y, (c,) = lifter.constants(y, call.constant(2, "bias").astype(np.float32) * beta)
        y = y.then(call.name, "add", c=c)
    return replace(y, origin=())


def _product(lifter: Lifter, call: Call, x: Lifted, weight: Constant) -> Lifted:
    """``x @ weight`` over the last axis of the tensor."""
    if len(weight.shape) == 1:
        y = _product(lifter, call, x, weight.layout(lambda a: a[:, None]))
        return y.layout(lambda a: a[..., 0])
    if len(weight.shape) != 2 or not x.shape or x.shape[-1] != weight.shape[0]:
        call.refuse(f"shapes {x.shape} and {weight.shape} make no matrix product")
    shape = (*x.shape[:-1], weight.shape[1])
    x, m, a = lifter.grid(x)
    x, permutation = lifter.pixels(x, -1)
    m, a = _regained(x)
    codes, scale = integers(call, weight, _along(m, permutation))
    offset = (codes * np.broadcast_to(_along(a, permutation) / _unit(m), len(codes))[:, None]).sum(axis=0)
    assert isinstance(x.edge, str)
    edge = lifter.emit(MatMul(_rows(codes, permutation)), x.edge, origin=x.origin)
    return _accumulated(edge, np.arange(int(np.prod(shape))).reshape(shape), scale, offset, call)
