"""QONNX quantizers. On a weight they give integer codes; on an activation, thresholds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.frontends.call import Call, handles
from hwgen.frontends.lifted import Constant, Tensor
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.tensors import check_scale
from hwgen.ir.chain import Chain

ROUNDINGS = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
WIDEST = 24  # float32 counts no further without gaps


def quant_range(bits: int, *, signed: bool, narrow: bool) -> IntRange:
    """The codes of a Quant; narrow takes the lowest signed, the highest unsigned one away."""
    full = IntRange.of_bits(bits, signed=signed)
    if not narrow:
        return full
    return IntRange(full.lo + 1, full.hi) if signed else IntRange(full.lo, full.hi - 1)


@handles("Quant", "IntQuant", patient=True)
def quant(lifter: Lifter, call: Call) -> Tensor:
    scale, zero = call.constant(1, "scale"), call.constant(2, "zero point")
    check_scale(scale, call.where)
    bits, signed = _bits(call, 3), bool(call.attrs.get("signed", 1))
    if bits == 1 and signed:
        return _bipolar(lifter, call, scale, zero)
    narrow = bool(call.attrs.get("narrow", 0))
    if bits == 1 and narrow:
        raise call.error("one narrow bit holds a single number")
    codes = quant_range(bits, signed=signed, narrow=narrow)
    rounding = _rounding(call, "ROUND")

    def steps(scale: np.ndarray, zero: np.ndarray) -> Chain:
        return Chain().then("quantize", scale=scale, zero=zero, lo=np.float32(codes.lo),
                            hi=np.float32(codes.hi), rounding=rounding)  # fmt: skip

    return _quantizer(lifter, call, steps, codes, scale, zero)


@handles("BipolarQuant", patient=True)
def bipolar_quant(lifter: Lifter, call: Call) -> Tensor:
    scale = call.constant(1, "scale")
    check_scale(scale, call.where)
    return _bipolar(lifter, call, scale, None)


@handles("Trunc")
def trunc(lifter: Lifter, call: Call) -> Tensor:
    """Rounds to the input's grid, drops low bits; version 2 clamps and has a scale of its own."""
    scale, zero = call.constant(1, "scale"), call.constant(2, "zero point")
    check_scale(scale, call.where)
    rounding = _rounding(call, "FLOOR")
    if len(call.inputs) < 6:
        shift, out_scale, codes = _bits(call, 3) - _bits(call, 4), scale, None
        offset = zero
    else:
        out_scale = call.constant(4, "output scale")
        check_scale(out_scale, call.where)
        ratios = np.unique(np.rint(np.log2(np.asarray(out_scale, np.float64) / scale)))
        if len(ratios) > 1:
            raise call.error("its output scale differs from its input scale by several factors")
        shift = int(ratios[0])
        codes = quant_range(_bits(call, 5), signed=bool(call.attrs.get("signed", 1)),
                            narrow=bool(call.attrs.get("narrow", 0)))  # fmt: skip
        offset = np.asarray(zero / 2.0**shift, np.float32)
    lo, hi = (codes.lo, codes.hi) if codes else (-np.inf, np.inf)

    def steps(scale: np.ndarray, zero: np.ndarray) -> Chain:
        fine = Chain().then("quantize", scale=scale, zero=zero, lo=np.float32(-np.inf),
                            hi=np.float32(np.inf), rounding="ROUND")  # fmt: skip
        return fine.then("quantize", scale=np.float32(2.0**shift), zero=np.float32(0),
                         lo=np.float32(lo), hi=np.float32(hi), rounding=rounding)  # fmt: skip

    return _quantizer(lifter, call, steps, codes, scale, zero, out_scale, offset)


@handles("MultiThreshold", patient=True)
def multi_threshold(lifter: Lifter, call: Call) -> Tensor:
    """Counts the thresholds that each element reaches; one row per channel, or one for all."""
    table = call.constant(1, "thresholds").astype(np.float32)
    if table.ndim != 2 or not table.size:
        raise call.error(f"its thresholds must be (channels, steps), not {table.shape}")
    lifter.limits.check("table", table.shape[1], where=call.where)
    x = call.lifted()
    layout = call.attrs.get("data_layout", "NCHW")
    axis = 1 if layout.startswith("NC") and len(x.shape) > 1 else len(x.shape) - 1
    if len(table) not in (1, x.shape[axis]):
        raise call.error(f"{len(table)} rows of thresholds for {x.shape[axis]} channels")
    if len(table) > 1:
        shape = [1] * len(x.shape)
        shape[axis] = -1
        x, (channel,) = lifter.constants(x, np.arange(len(table)).reshape(shape))
        table = np.atleast_2d(table[channel])
    scale, bias = (float(call.attrs.get(k, d)) for k, d in (("out_scale", 1.0), ("out_bias", 0.0)))
    if scale == 0 or not np.isfinite([scale, bias]).all():
        raise call.error(f"out_scale {scale} and out_bias {bias} make no grid", code="HW104")
    steps = Chain().then("count", thresholds=table)
    return lifter.quantize(x, steps, IntRange(0, table.shape[1]), scale, bias)


def _bipolar(lifter: Lifter, call: Call, scale: np.ndarray, zero: np.ndarray | None) -> Tensor:
    """Sign, zero counting as positive: codes 0 and 1 stand for ``-scale`` and ``scale``."""
    x = call.get(0)
    if isinstance(x, Constant):
        _same_size(call, x, scale, *([] if zero is None else [zero]))
        values = np.asarray(x.array, np.float32)
        if zero is not None:
            values = values / scale.astype(np.float32) + zero.astype(np.float32)
        ones = np.where(values >= 0, 1, -1)
        return _weight(ones - (0 if zero is None else _whole(call, zero)), scale)
    x = call.lifted()
    if zero is None:
        x, (scale,) = lifter.constants(x, scale)
        steps, offset = Chain(), np.float64(0)
    else:
        x, (scale, zero) = lifter.constants(x, scale, zero)
        steps, offset = Chain().then("div", c=scale).then("add", c=zero), zero.astype(np.float64)
    mul = scale.astype(np.float64)
    return lifter.quantize(x, steps.then("bipolar"), IntRange(0, 1), 2 * mul, -(1 + offset) * mul)


def _quantizer(
    lifter: Lifter, call: Call, steps: Callable[..., Chain], codes: IntRange | None,
    scale: np.ndarray, zero: np.ndarray, out_scale: np.ndarray | None = None,
    out_zero: np.ndarray | None = None,
) -> Tensor:  # fmt: skip
    """Codes ``steps(scale, zero)(x)``, which stand for ``(code - out_zero) * out_scale``."""
    out_scale = scale if out_scale is None else out_scale
    out_zero = zero if out_zero is None else out_zero
    x = call.get(0)
    if isinstance(x, Constant):
        _same_size(call, x, scale, zero, np.asarray(out_scale), np.asarray(out_zero))
        q = np.rint(steps(scale, zero)(np.asarray(x.array, np.float32))).astype(np.int64)
        return _weight(q - _whole(call, out_zero), out_scale)
    x, arrays = lifter.constants(call.lifted(), scale, zero, out_scale, np.asarray(out_zero))
    mul = arrays[2].astype(np.float64)
    add = (0 - arrays[3].astype(np.float64)) * mul
    return lifter.quantize(x, steps(arrays[0], arrays[1]), codes, mul, add)


def _same_size(call: Call, x: Constant, *constants: np.ndarray) -> None:
    """Refuse constants that would enlarge ``x``, before they do."""
    shapes = [constant.shape for constant in constants]
    if np.broadcast_shapes(x.shape, *shapes) != x.shape:
        raise call.error(f"constants of shapes {shapes} do not fit {x.shape}", code="HW103")


def _weight(codes: np.ndarray, scale: np.ndarray) -> Constant:
    array = codes.astype(np.float32) * np.asarray(scale, np.float32)
    codes = np.broadcast_to(codes, array.shape)
    return Constant(array, codes, np.broadcast_to(np.asarray(scale, np.float64), array.shape))


def _whole(call: Call, zero: np.ndarray) -> np.ndarray:
    if not np.array_equal(zero, np.rint(zero)):
        raise call.error("the zero point of a weight is no integer", code="HW203")
    return np.asarray(zero).astype(np.int64)


def _bits(call: Call, i: int) -> int:
    value = np.ravel(call.constant(i, "bit width"))
    if (
        len(set(value.tolist())) != 1
        or value[0] != np.rint(value[0])
        or not 1 <= value[0] <= WIDEST
    ):
        raise call.error(
            f"its bit width must be one integer in 1..{WIDEST}, not {value[:4].tolist()}"
        )
    return int(value[0])


def _rounding(call: Call, default: str) -> str:
    mode = str(call.attrs.get("rounding_mode", default)).upper()
    if mode not in ROUNDINGS:
        raise call.error(f"unknown rounding mode {mode}", f"use one of {', '.join(ROUNDINGS)}")
    return mode
