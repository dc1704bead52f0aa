"""QuantizeLinear and DequantizeLinear: on weights they give codes, on activations edges of codes.

Unlike a QONNX quantizer, they add the zero point after rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from onnx import TensorProto, helper

from hwgen.core.intrange import IntRange
from hwgen.frontends.call import Call, handles
from hwgen.frontends.lifted import Constant, Lifted, Tensor
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.tensors import check_scale
from hwgen.frontends.types import codes_of_type, stored
from hwgen.ir.chain import Chain


@handles("QuantizeLinear", patient=True)
def quantize_linear(lifter: Lifter, call: Call) -> Tensor:
    dtype = _target(call)
    range_ = codes_of_type(dtype)
    if range_ is None or range_.width > 16:
        raise call.error(f"it quantizes to {dtype}", "quantize to integers of 16 bits or fewer")
    if call.attrs.get("precision", 0) not in (0, TensorProto.FLOAT):
        raise call.error("it divides in another type than float32")
    x = call.get(0)
    if isinstance(x, Constant):
        scale, zero = parameters(call, x.shape)
        steps = _steps(scale, zero, range_)
        return Constant(steps(np.asarray(x.array, np.float32)).astype(stored(dtype)))
    x = call.lifted(integer=True)
    if x.dtype not in ("float32", "int32"):
        raise call.error(f"its input is {x.dtype}")
    x, (scale, zero) = lifter.constants(x, *parameters(call, x.shape))
    y = lifter.codes(x, _steps(scale, zero, range_), range_)
    return replace(y, dtype=stored(dtype))


def _steps(scale: np.ndarray, zero: np.ndarray, range_: IntRange) -> Chain:
    return Chain().then("onnx_quantize", scale=scale, zero=zero, lo=range_.lo, hi=range_.hi)


def _target(call: Call) -> str:
    zero, stated = call.get(2), call.attrs.get("output_dtype", 0)
    if zero is not None:
        return call.constant(2, "zero point").dtype.name
    return helper.tensor_dtype_to_np_dtype(stated).name if stated else "uint8"


@handles("DequantizeLinear", patient=True)
def dequantize_linear(lifter: Lifter, call: Call) -> Tensor:
    x, zero_point = call.get(0), call.get(2)
    if isinstance(x, Constant):
        kind = x.array.dtype.name
        if codes_of_type(kind) is None:
            raise call.error(f"it dequantizes {kind}", "store integers")
        if isinstance(zero_point, Constant) and zero_point.array.dtype.name != kind:
            other = zero_point.array.dtype.name
            raise call.error(f"its zero point is {other}, what it dequantizes {kind}", code="HW103")
        scale, zero = parameters(call, x.shape)
        return scaled(np.asarray(x.array, np.int64) - zero, scale)
    x = call.lifted(integer=True)
    if codes_of_type(x.dtype) is None:
        raise call.error(f"its input is {x.dtype}, no integer type")
    x, (scale, zero) = lifter.constants(x, *parameters(call, x.shape))
    return dequantized(call.name, x, scale, zero)


def scaled(codes: np.ndarray, scale: np.ndarray) -> Constant:
    """The constant of codes times their scales, as float32 computes it."""
    scale = np.broadcast_to(np.asarray(scale, np.float32), codes.shape)
    return Constant(codes.astype(np.float32) * scale, codes, scale.astype(np.float64))


def dequantized(name: str, x: Lifted, scale: np.ndarray, zero: np.ndarray) -> Lifted:
    """``(x - zero) * scale`` for a tensor of integers."""
    mul = np.asarray(scale, np.float64)
    return replace(x, dtype="float32").then(name, "affine", mul=mul, add=-(mul * zero))


def parameters(call: Call, shape: tuple[int, ...], at: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scale float32 and zero point int64 of inputs ``at`` and ``at + 1``, fit to broadcast.

    One number, one per index of ``axis``, or one per block of ``block_size`` along it.
    """
    scale = call.constant(at, "scale")
    if scale.dtype != np.float32:
        raise call.error(f"its scale is {scale.dtype.name}", "use a float32 scale")
    check_scale(scale, call.where)
    zero = np.zeros(scale.shape, np.int64)
    if call.get(at + 1) is not None:
        zero = call.constant(at + 1, "zero point")
        if codes_of_type(zero.dtype.name) is None:
            raise call.error(f"its zero point is {zero.dtype.name}, no integer", code="HW103")
        zero = np.asarray(zero, np.int64)
    if zero.shape != scale.shape and max(zero.size, scale.size) > 1:
        raise call.error(f"scale {scale.shape} and zero point {zero.shape} differ", code="HW103")
    return _along(call, scale, shape), _along(call, zero, shape)


def _along(call: Call, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.size == 1:
        return values.reshape(())
    axis, block = call.attrs.get("axis", 1), call.attrs.get("block_size", 0)
    if not -len(shape) <= axis < len(shape):
        raise call.error(f"axis {axis} for a tensor of rank {len(shape)}", code="HW103")
    axis %= len(shape)
    if values.ndim == 1 and not block:
        if len(values) != shape[axis]:
            raise call.error(f"{len(values)} scales for an axis of {shape[axis]}", code="HW103")
        return values.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    if block < 1 or values.ndim != len(shape) or values.shape[axis] != -(-shape[axis] // block):
        raise call.error(f"scales {values.shape} in blocks of {block} for {shape}", code="HW103")
    return np.take(values, np.arange(shape[axis]) // block, axis=axis)


@handles("DynamicQuantizeLinear")
def dynamic_quantize_linear(_: Lifter, call: Call) -> Tensor:
    raise call.error(
        "its scale depends on the values of every frame, so that nothing after it is a fixed "
        "function of integers",
        "quantize statically, with scales from calibration (onnxruntime quantize_static)",
    )
