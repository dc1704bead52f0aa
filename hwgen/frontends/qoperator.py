"""Operators on quantized tensors: QLinearConv and its kin of ONNX and com.microsoft, QGemm.

Each is a sum of integers, one multiplier and one rounding, as onnxruntime computes them. Most add
the zero point after rounding; sums and products of two tensors and averages over windows before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from hwgen.core.intrange import IntRange
from hwgen.frontends.call import Call, handles
from hwgen.frontends.convolutions import convolution
from hwgen.frontends.elementwise import product
from hwgen.frontends.joints import added
from hwgen.frontends.layers import matrix_product
from hwgen.frontends.lifted import Constant, Lifted, Tensor, affine_of
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.merges import concatenated
from hwgen.frontends.pools import averaged, globally_averaged
from hwgen.frontends.qdq import dequantized, parameters
from hwgen.frontends.tensors import check_scale
from hwgen.frontends.types import codes_of_type
from hwgen.ir.chain import Chain

F32 = np.float32
NHWC = "use channels first (channels_last = 0)"


def _integers(call: Call, i: int, zero_at: int) -> Lifted:
    """Input ``i`` less its zero point, as real numbers that are integers."""
    x = call.lifted(i, integer=True)
    if codes_of_type(x.dtype) is None:
        raise call.error(f"its input {i} is {x.dtype}, no integer type", code="HW103")
    zero = _zero(call, zero_at)
    if zero.size > 1:
        raise call.error("its input has a zero point per channel", "use one per tensor")
    return dequantized(call.name, x, np.ones(()), zero.reshape(()))


def _zero(call: Call, i: int) -> np.ndarray:
    """The zero point at input ``i`` as int64; 0 where there is none."""
    if call.get(i) is None:
        return np.zeros((), np.int64)
    zero = call.constant(i, "zero point")
    if codes_of_type(zero.dtype.name) is None:
        raise call.error(f"its zero point is {zero.dtype.name}, no integer", code="HW103")
    return zero.astype(np.int64)


def _weight(call: Call, i: int, zero_at: int, axis: int) -> Constant:
    """Constant ``i`` less its zero point, one number or one per index of ``axis``, unscaled."""
    weight = call.constant(i, "weight")
    if codes_of_type(weight.dtype.name) is None:
        raise call.error(f"its weight is {weight.dtype.name}, no integer type", code="HW103")
    zero = _zero(call, zero_at)
    codes = weight.astype(np.int64) - _on_axis(call, zero, weight.shape, axis)
    return Constant(codes.astype(F32), codes, np.ones(codes.shape))


def _on_axis(call: Call, given: ArrayLike, shape: tuple[int, ...], axis: int) -> np.ndarray:
    values = np.asarray(given)
    if values.size == 1:
        return values.reshape(())
    if values.size != shape[axis]:
        raise call.error(f"{values.size} parameters for an axis of {shape[axis]}", code="HW103")
    return values.reshape([-1 if k == axis % len(shape) else 1 for k in range(len(shape))])


def _number(call: Call, i: int, what: str) -> np.ndarray:
    values = call.constant(i, what)
    if values.size != 1:
        raise call.error(f"its {what} is not one number", "use one per tensor")
    return values.reshape(())


def _scales(call: Call, *at: int) -> list[np.ndarray]:
    """Scales float32 ``(...)`` at those inputs."""
    scales = [call.constant(i, "scale") for i in at]
    for scale in scales:
        if scale.dtype != np.float32:
            raise call.error(f"its scale is {scale.dtype.name}", "use a float32 scale")
        if not scale.size:
            raise call.error("its scale is empty", code="HW103")
        check_scale(scale, call.where)
    return [scale.reshape(()) if scale.size == 1 else scale for scale in scales]


def _accumulators(lifter: Lifter, y: Lifted, bias: np.ndarray | None) -> Lifted:
    """A sum of products as exact integers, ``bias`` added, behind a chain of one step."""
    add = np.zeros(())
    if bias is not None:
        y, (add,) = lifter.constants(y, np.asarray(bias, np.float64))
    m, a = affine_of(y.chain)  # type: ignore[misc]
    return replace(y, chain=Chain().then("affine", mul=m, add=a + add), origin=())


def _requantized(
    lifter: Lifter, call: Call, y: Lifted, multiplier: np.ndarray, zero_at: int
) -> Lifted:
    """``round(multiplier * y) + zero`` in the range of the zero point's type."""
    y, (multiplier,) = lifter.constants(y, np.asarray(multiplier, F32))
    return _rounded(lifter, call, y.then(call.name, "mul", c=multiplier), F32(1), zero_at)


def _rounded(
    lifter: Lifter, call: Call, y: Lifted, scale: np.ndarray | np.float32, zero_at: int,
    *, before: bool = False,
) -> Lifted:  # fmt: skip
    """The codes of real numbers; with ``before`` the zero point is added before rounding."""
    zero, dtype = np.zeros((), np.int64), "uint8"
    if call.get(zero_at) is not None:
        zero = _number(call, zero_at, "output's zero point")
        dtype = zero.dtype.name
    range_ = codes_of_type(dtype)
    if range_ is None:
        raise call.error(f"its output is {dtype}, no integer type", code="HW103")
    if before:
        steps = Chain().then("quantize", scale=scale, zero=F32(zero), lo=F32(range_.lo),
                             hi=F32(range_.hi), rounding="ROUND")  # fmt: skip
    else:
        steps = Chain().then("onnx_quantize", scale=scale, zero=zero.astype(np.int64),
                             lo=range_.lo, hi=range_.hi)  # fmt: skip
    return replace(lifter.codes(y, steps, range_), dtype=dtype)


# Products with constant weights


@handles("QLinearConv")
def qlinear_conv(lifter: Lifter, call: Call) -> Tensor:
    """x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias."""
    if call.attrs.get("channels_last", 0):
        raise call.error("its channels come last", NHWC)
    x_scale, w_scale, y_scale = _scales(call, 1, 4, 6)
    y = _convolved(lifter, call, 0, 2, 3, 5)
    rank = len(y.shape)
    bias = call.constant(8, "bias") if call.get(8) is not None else None
    y = _accumulators(lifter, y, None if bias is None else bias.reshape(1, -1, *[1] * (rank - 2)))
    multiplier = F32(F32(x_scale * w_scale) / y_scale)
    return _requantized(lifter, call, y, _on_axis(call, multiplier, y.shape, 1), 7)


def _convolved(lifter: Lifter, call: Call, x: int, x_zero: int, w: int, w_zero: int) -> Lifted:
    weight = _weight(call, w, w_zero, 0)
    return convolution(lifter, call, _integers(call, x, x_zero), weight)


@handles("ConvInteger")
def conv_integer(lifter: Lifter, call: Call) -> Tensor:
    """x, w, x_zero, w_zero; gives int32."""
    return _int32(lifter, call, _convolved(lifter, call, 0, 2, 1, 3))


@handles("MatMulInteger")
def matmul_integer(lifter: Lifter, call: Call) -> Tensor:
    """a, b, a_zero, b_zero; gives int32."""
    b = _weight(call, 1, 3, -1)
    return _int32(lifter, call, matrix_product(lifter, call, _integers(call, 0, 2), b))


def _int32(lifter: Lifter, call: Call, y: Lifted) -> Lifted:
    m, a = affine_of(y.chain)  # type: ignore[misc]
    ends = IntRange.of_bits(32, signed=True)
    range_ = lifter.integers(y)
    reach = np.stack([m * range_.lo + a, m * range_.hi + a])
    if reach.min() < ends.lo or reach.max() > ends.hi:
        raise call.error("its sums may overflow 32 bits", "use smaller weights")
    plain = (np.asarray(m) == 1).all() and (np.asarray(a) == 0).all()
    return replace(y, dtype="int32", chain=Chain() if plain else y.chain)


@handles("QLinearMatMul")
def qlinear_matmul(lifter: Lifter, call: Call) -> Tensor:
    """a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero."""
    a_scale, b_scale, y_scale = _scales(call, 1, 4, 6)
    y = matrix_product(lifter, call, _integers(call, 0, 2), _weight(call, 3, 5, -1))
    y = _accumulators(lifter, y, None)
    multiplier = F32(F32(a_scale * b_scale) / y_scale)
    return _requantized(lifter, call, y, _on_axis(call, multiplier, y.shape, -1), 7)


@handles("QGemm")
def qgemm(lifter: Lifter, call: Call) -> Tensor:
    """a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero; a real output without the last."""
    a_scale, b_scale = _scales(call, 1, 4)
    flipped = bool(call.attrs.get("transB", 0))
    b = _weight(call, 3, 5, 0 if flipped else -1)
    b = b.layout(np.transpose) if flipped else b
    x = _integers(call, 0, 2)
    x = x.layout(np.transpose) if call.attrs.get("transA", 0) else x
    y = matrix_product(lifter, call, x, b)
    y = _accumulators(lifter, y, call.constant(6, "bias") if call.get(6) is not None else None)
    multiplier = F32(F32(F32(call.attrs.get("alpha", 1.0)) * a_scale) * b_scale)
    if call.get(7) is None:
        y, (c,) = lifter.constants(y, _on_axis(call, multiplier, y.shape, -1))
        return y.then(call.name, "mul", c=c)
    (y_scale,) = _scales(call, 7)
    return _requantized(lifter, call, y, _on_axis(call, F32(multiplier / y_scale), y.shape, -1), 8)


# Two tensors


def _reals(call: Call, at: int) -> Tensor:
    """The real numbers of input ``at``, whose scale and zero point follow it."""
    x = call.get(at)
    scale, zero = (_number(call, at + k, what) for k, what in ((1, "scale"), (2, "zero point")))
    parameters(replace(call, attrs={}), (1,), at + 1)
    if isinstance(x, Constant):
        return Constant((x.array.astype(F32) - F32(zero)) * F32(scale))
    x = call.lifted(at, integer=True)
    if codes_of_type(x.dtype) is None:
        raise call.error(f"its input {at} is {x.dtype}, no integer type", code="HW103")
    return dequantized(call.name, x, scale, zero.astype(np.int64))


@handles("QLinearAdd", "QLinearMul")
def qlinear_of_two(lifter: Lifter, call: Call) -> Tensor:
    """a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero."""
    a, b = _reals(call, 0), _reals(call, 3)
    (scale,) = _scales(call, 6)
    if isinstance(a, Constant):
        a, b = b, a
    if not isinstance(a, Lifted):
        raise call.error("none of its inputs depends on the model's input")
    if isinstance(b, Constant):
        x, (c,) = lifter.constants(a, b.array)
        y = x.then(call.name, "add" if call.op == "QLinearAdd" else "mul", c=c)
    else:
        y = (added if call.op == "QLinearAdd" else product)(lifter, a, b)
    return _rounded(lifter, call, y, scale, 7, before=True)


@handles("QLinearConcat")
def qlinear_concat(lifter: Lifter, call: Call) -> Tensor:
    """y_scale, y_zero, then each tensor with its scale and zero point."""
    (scale,) = _scales(call, 0)
    parts = []
    for at in range(2, len(call.inputs), 3):
        x = _reals(call, at)
        if not isinstance(x, Lifted):
            raise call.error(f"its input {at} is a constant", "join what depends on the input")
        parts.append(_rounded(lifter, call, x, scale, 1))
    return concatenated(lifter, call, parts, call.attrs.get("axis", 1))


# One tensor: x, x_scale, x_zero, y_scale, y_zero


@handles("QLinearAveragePool", "QLinearGlobalAveragePool")
def qlinear_average(lifter: Lifter, call: Call) -> Tensor:
    if call.attrs.get("channels_last", 0):
        raise call.error("its channels come last", NHWC)
    x = _reals(call, 0)
    if not isinstance(x, Lifted):
        raise call.error("its input does not depend on the model's input")
    kernel, windows = call.attrs.get("kernel_shape"), call.op == "QLinearAveragePool"
    # a window over the whole image is computed as the global one, which rounds otherwise at ties
    whole = kernel == x.shape[2:] and not any(call.attrs.get("pads") or ())
    (scale,) = _scales(call, 3)
    y = (averaged if windows else globally_averaged)(lifter, call, x)
    return _rounded(lifter, call, y, scale, 4, before=windows and not whole)


FUNCTIONS: dict[str, Callable[[Call, Lifted], Lifted]] = {
    "QLinearSigmoid": lambda call, x: x.then(call.name, "sigmoid"),
    "QLinearLeakyRelu": lambda call, x: x.then(
        call.name, "leaky_relu", slope=F32(call.attrs.get("alpha", 0.01))
    ),
    "QLinearSoftmax": lambda call, x: x.then(call.name, "softmax"),
}


@handles(*FUNCTIONS)
def qlinear_function(lifter: Lifter, call: Call) -> Tensor:
    x = _reals(call, 0)
    if not isinstance(x, Lifted):
        raise call.error("its input does not depend on the model's input")
    if call.op == "QLinearSoftmax":
        x, _ = lifter.pixels(x, call.attrs.get("axis", -1) % len(x.shape))
    (scale,) = _scales(call, 3)
    return _rounded(lifter, call, FUNCTIONS[call.op](call, x), scale, 4)
