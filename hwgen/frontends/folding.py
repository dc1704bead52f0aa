"""Operators on constants, in NumPy: what shape arithmetic and prepared weights are made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper

from hwgen.frontends.call import Call


def _ints(call: Call, i: int, attr: str) -> tuple[int, ...] | None:
    """A list that newer opsets give as input ``i`` and older ones as an attribute."""
    if call.get(i) is not None:
        return tuple(int(v) for v in np.ravel(call.constant(i, attr)))
    value = call.attrs.get(attr)
    return None if value is None else tuple(value)


def _constant(call: Call) -> np.ndarray:
    for name, dtype in (("value_float", np.float32), ("value_floats", np.float32),
                        ("value_int", np.int64), ("value_ints", np.int64)):  # fmt: skip
        if name in call.attrs:
            return np.array(call.attrs[name], dtype)
    return call.attrs["value"]


def _shape(call: Call) -> np.ndarray:
    x = call.inputs[0]
    if x is None:
        raise call.error("it has no input", code="HW103")
    return np.array(x.shape, np.int64)[call.attrs.get("start", 0) : call.attrs.get("end")]


def slices_of(call: Call, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """What a Slice takes of a tensor of ``shape``."""
    starts, ends = _ints(call, 1, "starts"), _ints(call, 2, "ends")
    if starts is None or ends is None:
        raise call.error("it has no starts or no ends", code="HW103")
    axes = _ints(call, 3, "axes") or tuple(range(len(starts)))
    steps = _ints(call, 4, "steps") or (1,) * len(starts)
    cut = [slice(None)] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        # ONNX counts a negative end as NumPy does, but clamps it before the first element
        stop = None if step < 0 and end < -shape[axis] else end
        cut[axis] = slice(start, stop, step)
    return tuple(cut)


def _slice(call: Call) -> np.ndarray:
    x = call.constant(0, "data")
    return x[slices_of(call, x.shape)]


def _cast(call: Call) -> np.ndarray:
    kind = call.attrs["to"]
    if kind not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32,
                    TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL):  # fmt: skip
        raise call.error("it casts to a type that is not read")
    return call.constant(0, "data").astype(helper.tensor_dtype_to_np_dtype(kind))


def _expand(call: Call) -> np.ndarray:
    x, shape = call.constant(0, "data"), _ints(call, 1, "shape") or ()
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, shape))


def _filled(call: Call) -> np.ndarray:
    shape = _ints(call, 0, "shape") or ()
    return np.full(shape, call.attrs.get("value", np.zeros(1, np.float32))[0])


def _reduce(function: Callable[..., np.ndarray]) -> Callable[[Call], np.ndarray]:
    def fold(call: Call) -> np.ndarray:
        axes = _ints(call, 1, "axes")
        keep = bool(call.attrs.get("keepdims", 1))
        return function(call.constant(0, "data"), axis=axes, keepdims=keep)

    return fold


def _arithmetic(function: Callable[..., np.ndarray]) -> Callable[[Call], np.ndarray]:
    def fold(call: Call) -> np.ndarray:
        arrays = [call.constant(i, "input") for i in range(len(call.inputs))]
        result = np.asarray(function(*arrays))
        # ONNX keeps the type of its inputs where NumPy would widen it
        return result.astype(np.result_type(*arrays)) if arrays else result

    return fold


def _divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.trunc(x / y) if x.dtype.kind in "iu" else x / y


def size_of(call: Call) -> int:
    """At most how many elements folding ``call`` makes, found without making them."""
    shapes = [x.shape for x in call.inputs if x is not None]
    largest = max(map(math.prod, shapes), default=1)
    match call.op:
        case "Shape" | "Size":
            return 1
        case "ConstantOfShape":
            return math.prod(_ints(call, 0, "shape") or ())
        case "Expand":
            return math.prod(np.broadcast_shapes(shapes[0], _ints(call, 1, "shape") or ()))
        case "Concat":
            return sum(map(math.prod, shapes))
        case "Gather":
            axis = shapes[0][call.attrs.get("axis", 0)]
            return math.prod(shapes[0]) // max(axis, 1) * math.prod(shapes[1])
        case "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max":
            return math.prod(np.broadcast_shapes(*shapes))
    return largest


OF_SHAPE = ("Shape", "Size")  # constant for every tensor of known shape

FOLD: dict[str, Callable[[Call], np.ndarray]] = {
    "Constant": _constant,
    "Shape": _shape,
    "Size": lambda call: np.array(math.prod(call.inputs[0].shape), np.int64),  # type: ignore[union-attr]
    "Gather": lambda call: np.take(
        call.constant(0, "data"), call.constant(1, "indices"), axis=call.attrs.get("axis", 0)
    ),
    "Slice": _slice,
    "Concat": lambda call: np.concatenate(
        [call.constant(i, "input") for i in range(len(call.inputs))], axis=call.attrs["axis"]
    ),
    "Cast": _cast,
    "Expand": _expand,
    "ConstantOfShape": _filled,
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(_divide),
    "Pow": lambda call: np.power(
        call.constant(0, "base"), call.constant(1, "exponent").astype(np.float64)
    ).astype(call.constant(0, "base").dtype),
    "Sqrt": _arithmetic(np.sqrt),
    "Exp": _arithmetic(np.exp),
    "Log": _arithmetic(np.log),
    "Neg": _arithmetic(np.negative),
    "Abs": _arithmetic(np.abs),
    "Sign": _arithmetic(np.sign),
    "Floor": _arithmetic(np.floor),
    "Ceil": _arithmetic(np.ceil),
    "Round": _arithmetic(np.rint),
    "Reciprocal": _arithmetic(np.reciprocal),
    "Min": _arithmetic(lambda *x: np.minimum.reduce(np.broadcast_arrays(*x))),
    "Max": _arithmetic(lambda *x: np.maximum.reduce(np.broadcast_arrays(*x))),
    "ReduceProd": _reduce(np.prod),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
    "ReduceMean": _reduce(np.mean),
    "ReduceSum": _reduce(np.sum),
}
