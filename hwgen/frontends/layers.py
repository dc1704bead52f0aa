"""ONNX operators that become matrix products, and the integer weights of all layers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hwgen.frontends.call import Call, handles
from hwgen.frontends.lifted import LARGEST_WEIGHT, Constant, Lifted, Tensor, affine_of
from hwgen.frontends.lifter import Lifter
from hwgen.ir.chain import Chain
from hwgen.ops import MatMul

FINEST = 1 << 10  # largest ratio of two scales that is folded into integer weights


def integers(
    call: Call, weight: Constant, m: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integer weights ``(..., K, N)``, one scale per output ``(N,)``, and the real weights.

    ``m`` is the scale of the input, a scalar, or one per input ``(K,)`` or weight ``(K, N)``; it is
    folded in. Scales that differ along the inputs must be integer multiples of the smallest.
    """
    found = weight.quantized()
    if found is None:
        raise call.error("its weight is on no integer grid", "quantize the weight", "HW203")
    codes, own = found
    scale = own * (m[:, None] if m.ndim == 1 else m)
    unit = np.where(scale == 0, np.inf, np.abs(scale)).reshape(-1, scale.shape[-1]).min(axis=0)
    unit = np.where(np.isinf(unit), 1.0, unit)
    ratio = scale / unit
    if not np.array_equal(ratio, np.rint(ratio)) or np.abs(ratio).max(initial=0) > FINEST:
        raise call.error(
            "scales differ within one dot product, and not by integer factors",
            "use one scale per tensor for activations, one per output channel for weights, and no "
            "blocks along the inputs",
        )
    # A sign that a column has in common stays in its scale: weights then read as in the model.
    sign = np.where((ratio.reshape(-1, ratio.shape[-1]) < 0).all(axis=0), -1, 1)
    folded = codes * ratio.astype(np.int64) * sign
    if np.abs(folded).max(initial=0) >= LARGEST_WEIGHT:
        raise call.error(f"weights reach {np.abs(folded).max()}, more than {LARGEST_WEIGHT - 1}")
    return folded, unit * sign, codes * own


def rows(weight: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Rows ``(..., K, N)`` moved to where the edge has their channel."""
    moved = np.empty_like(weight)
    moved[..., permutation, :] = weight
    return moved


def along(x: Lifted, permutation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(m, a)`` of an affine tensor, in the order of the tensor's own channels."""
    found = affine_of(x.chain)
    assert found is not None
    m, a = (value[permutation] if value.ndim else value for value in found)
    return m, a


def accumulated(edge: str, index: np.ndarray, scale: np.ndarray, add: np.ndarray) -> Lifted:
    """The real tensor that an edge of accumulators stands for: ``scale * q + add`` per channel."""
    same = [v[0] if (v == v[0]).all() else v for v in (scale, add)]
    return Lifted(edge, index, Chain().then("affine", mul=same[0], add=same[1]))


@handles("MatMul")
def matmul(lifter: Lifter, call: Call) -> Tensor:
    a, b = call.get(0), call.get(1)
    if isinstance(a, Lifted) and isinstance(b, Lifted):
        raise call.error(
            "both its inputs depend on the model's input",
            "attention and other products of activations are not supported",
        )
    if isinstance(a, Constant) and isinstance(b, Lifted):
        if len(a.shape) != 2 or len(b.shape) != 2:
            raise call.error("a constant times a tensor is supported for matrices only")
        flipped = matrix_product(lifter, call, b.layout(np.transpose), a.layout(np.transpose))
        return flipped.layout(np.transpose)
    return matrix_product(lifter, call, call.lifted(), call.weight(1))


@handles("Gemm")
def gemm(lifter: Lifter, call: Call) -> Tensor:
    if isinstance(call.get(1), Lifted):
        raise call.error("its weight depends on the model's input", "use constant weights")
    x, b = call.lifted(), call.weight(1)
    x = x.layout(np.transpose) if call.attrs.get("transA", 0) else x
    y = matrix_product(
        lifter, call, x, b.layout(np.transpose) if call.attrs.get("transB", 0) else b
    )
    alpha, beta = (np.float32(call.attrs.get(name, 1.0)) for name in ("alpha", "beta"))
    if alpha != 1:
        y = y.then(call.name, "mul", c=alpha)
    if call.get(2) is not None and beta != 0:
        y, (c,) = lifter.constants(y, call.constant(2, "bias").astype(np.float32) * beta)
        y = y.then(call.name, "add", c=c)
    return replace(y, origin=())


def matrix_product(lifter: Lifter, call: Call, x: Lifted, weight: Constant) -> Lifted:
    """``x @ weight`` over the last axis of the tensor."""
    if len(weight.shape) > 2 and math.prod(weight.shape[:-2]) == 1:
        weight = weight.layout(lambda a: a.reshape(a.shape[-2:]))
    if len(weight.shape) == 3 == len(x.shape) and x.shape[:1] == weight.shape[:1] != (1,):
        return _batch_of_products(lifter, call, x, weight)
    if len(weight.shape) == 1:
        y = matrix_product(lifter, call, x, weight.layout(lambda a: a[:, None]))
        return y.layout(lambda a: a[..., 0])
    if len(weight.shape) != 2 or not x.shape or x.shape[-1] != weight.shape[0]:
        raise call.error(
            f"shapes {x.shape} and {weight.shape} make no matrix product", code="HW103"
        )
    shape = (*x.shape[:-1], weight.shape[1])
    x, permutation = lifter.pixels(lifter.grid(x), -1)
    m, a = along(x, permutation)
    codes, scale, real = integers(call, weight, m)
    add = (real * (a[:, None] if a.ndim else a)).sum(axis=0)
    assert isinstance(x.edge, str)
    edge = lifter.emit(MatMul(rows(codes, permutation)), x.edge, origin=x.origin)
    return accumulated(edge, np.arange(math.prod(shape)).reshape(shape), scale, add)


def _batch_of_products(lifter: Lifter, call: Call, x: Lifted, weight: Constant) -> Lifted:
    """``x`` (B, M, K) times (B, K, N) by one product with the weights on a diagonal of blocks."""
    (batch, rows_, _), (_, inputs, outputs) = x.shape, weight.shape

    def diagonal(a: np.ndarray) -> np.ndarray:
        blocks = np.zeros((batch, inputs, batch, outputs), a.dtype)
        blocks[np.arange(batch), :, np.arange(batch)] = a
        return blocks.reshape(batch * inputs, batch * outputs)

    if x.shape[-1] != inputs:
        raise call.error(
            f"shapes {x.shape} and {weight.shape} make no matrix product", code="HW103"
        )
    wide = x.layout(lambda index: index.transpose(1, 0, 2).reshape(rows_, batch * inputs))
    y = matrix_product(lifter, call, wide, weight.layout(diagonal))
    return y.layout(lambda index: index.reshape(rows_, batch, outputs).transpose(1, 0, 2))
