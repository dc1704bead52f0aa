"""QuantizeLinear and DequantizeLinear with numbers, types and shapes that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.frontends.networks import Net
from tests.hostile.corpus import add

BAD = ("HW103", "HW202")
F = np.float32


def dequantized(net: Net, x: str, scale: Any = 0.25, zero: Any = 0, **attributes: Any) -> str:
    """``x`` through QuantizeLinear and DequantizeLinear; NumPy arrays keep their type."""
    names = [
        net.const(value, value.dtype if isinstance(value, (np.ndarray, np.generic)) else kind)
        for value, kind in ((scale, F), (zero, np.int8))
    ]
    q = net.node("QuantizeLinear", x, *names, **attributes)
    attributes.pop("output_dtype", None)
    return net.node("DequantizeLinear", q, *names, **attributes)


def qdq(shape: tuple[int, ...] = (1, 4), opset: int = 21, **options: Any) -> ModelProto:
    """x -> QuantizeLinear -> DequantizeLinear -> MatMul of whole numbers -> the same again -> y."""
    net = Net(np.random.default_rng(0), opset=opset)
    x = dequantized(net, "x", **options)
    y = net.node("MatMul", x, net.const(np.ones((shape[-1], 3))))
    return net.model({"x": shape}, [dequantized(net, y)])


for _name, _value in {
    "nan": F(np.nan), "inf": F(np.inf), "zero": F(0), "negative": F(-1), "denormal": F(1e-42),
    "one_nan": np.array([1, np.nan, 1, 1], F),
}.items():  # fmt: skip
    add(f"qdq_scale_{_name}", lambda value=_value: qdq(scale=value), "HW104")
add("qdq_scale_huge", lambda: qdq(scale=F(3e38)))
add("qdq_scale_int32", lambda: qdq(scale=np.int32(1)), *BAD)
add("qdq_scale_float64", lambda: qdq(scale=np.float64(1)), *BAD)
add("qdq_scale_float16", lambda: qdq(scale=np.float16(1)), *BAD)
add("qdq_scale_none", lambda: qdq(scale=np.zeros(0, F)), *BAD)
add("qdq_scale_of_5", lambda: qdq(scale=np.ones(5, F), zero=np.zeros(5, np.int8)), *BAD)
add("qdq_scale_of_rank_3", lambda: qdq(scale=np.ones((2, 2, 1), F)), *BAD)
add("qdq_zero_point_float", lambda: qdq(zero=F(0)), *BAD)
add("qdq_zero_point_bool", lambda: qdq(zero=np.True_), *BAD)
add("qdq_zero_point_int32", lambda: qdq(zero=np.int32(1 << 30)), *BAD)
add("qdq_zero_point_int64", lambda: qdq(zero=np.int64(1 << 62)), *BAD)
add("qdq_zero_point_of_4", lambda: qdq(zero=np.zeros(4, np.int8)), *BAD)
add("qdq_zero_point_none", lambda: qdq(zero=np.zeros(0, np.int8)), *BAD)
add("qdq_zero_point_extreme", lambda: qdq(zero=np.int8(-128)))
for _axis in (-9, 2, 1 << 62, -(1 << 63)):
    add(f"qdq_axis_{_axis}", lambda axis=_axis: qdq(
        scale=np.ones(4, F), zero=np.zeros(4, np.int8), axis=axis), *BAD)  # fmt: skip
add("qdq_axis_negative", lambda: qdq(
    scale=np.full(4, 0.5, F), zero=np.zeros(4, np.int8), axis=-1))  # fmt: skip
for _block in (-1, -(1 << 62), 1 << 28, 1 << 40, (1 << 63) - 1):
    add(f"qdq_block_{_block}", lambda block=_block: qdq(
        scale=np.ones((1, 2), F), zero=np.zeros((1, 2), np.int8), block_size=block), *BAD)  # fmt: skip
add("qdq_block_beyond_the_axis", lambda: qdq(
    scale=np.ones((1, 1), F), zero=np.zeros((1, 1), np.int8), block_size=1 << 40))  # fmt: skip
for _kind in (TensorProto.FLOAT8E4M3FN, TensorProto.STRING, TensorProto.INT32, 999, -1):
    add(f"qdq_output_dtype_{_kind}", lambda kind=_kind: _stated(kind), *BAD)


def _stated(kind: int) -> ModelProto:
    """A QuantizeLinear without zero point, whose attribute says what it makes."""
    net = Net(np.random.default_rng(0), opset=21)
    scale = net.const(0.25)
    q = net.node("QuantizeLinear", "x", scale, output_dtype=kind)
    x = net.node("DequantizeLinear", q, scale)
    return net.model({"x": (1, 4)}, [net.node("MatMul", x, net.const(np.ones((4, 3))))])


# Weights


def _packed(kind: int, size: int, shape: tuple[int, ...] = (1, 3)) -> ModelProto:
    """A weight of ``shape`` whose narrow integers take ``size`` bytes."""
    net = Net(np.random.default_rng(0), opset=25)
    weight = TensorProto(name="w", data_type=kind, dims=shape, raw_data=b"\x21" * size)
    net.weights.append(weight)
    x = dequantized(net, "x")
    y = net.node("MatMul", x, net.node("DequantizeLinear", "w", net.const(0.5)))
    return net.model({"x": (1, shape[0])}, [dequantized(net, y)])


for _kind, _sound in ((TensorProto.INT4, 2), (TensorProto.UINT4, 2), (TensorProto.INT2, 1)):
    _name = TensorProto.DataType.Name(_kind).lower()
    add(f"{_name}_of_odd_length", lambda kind=_kind, size=_sound: _packed(kind, size))
    for _size in sorted({0, _sound - 1, _sound + 1, 24}):
        add(f"{_name}_in_{_size}_bytes",
            lambda kind=_kind, size=_size: _packed(kind, size), "HW103")  # fmt: skip
add("int4_in_values", lambda: _values(3), "HW103")
add("int4_beyond_its_range", lambda: _values(2, 1 << 20), "HW103")


def _values(count: int, value: int = 7) -> ModelProto:
    """Narrow integers as numbers, two in each."""
    model = _packed(TensorProto.INT4, 2)
    weight = next(t for t in model.graph.initializer if t.name == "w")
    weight.ClearField("raw_data")
    weight.int32_data.extend([value] * count)
    return model


def _weight(scale: Any, zero: Any = None, **attributes: Any) -> ModelProto:
    """A dequantized int8 weight (4, 3)."""
    net = Net(np.random.default_rng(0), opset=21)
    more = [] if zero is None else [net.const(zero, np.asarray(zero).dtype)]
    weight = net.node("DequantizeLinear", net.const(np.ones((4, 3)), np.int8),
                      net.const(scale), *more, **attributes)  # fmt: skip
    y = net.node("MatMul", dequantized(net, "x"), weight)
    return net.model({"x": (1, 4)}, [dequantized(net, y)])


add("weight_qdq_scale_nan", lambda: _weight(np.nan), "HW104")
add("weight_qdq_scales_nan", lambda: _weight([1, np.nan, 1], axis=1), "HW104")
add("weight_qdq_scales_apart", lambda: _weight([1e-30, 1, 1e30], axis=1))
add("weight_qdq_rows_apart", lambda: _weight([1e-30, 1, 1e30, 3], axis=0), "HW202")
add("weight_qdq_zero_uint8", lambda: _weight(1.0, np.uint8(255)), *BAD)
add("weight_qdq_zero_float", lambda: _weight(1.0, F(0.5)), *BAD)
add("weight_qdq_axis_far", lambda: _weight([1, 1, 1], axis=1 << 40), *BAD)
add("weight_qdq_block_2_40", lambda: _weight(np.ones((1, 3)), block_size=1 << 40, axis=0))
add("weight_qdq_blocks", lambda: _weight(np.ones((4, 3)), block_size=3, axis=0), *BAD)
add("dequantize_a_float", lambda: _bare("DequantizeLinear", np.ones((4, 3), F)), *BAD)
add("dequantize_int64", lambda: _bare("DequantizeLinear", np.full((4, 3), 1 << 62)), *BAD)
add("quantize_a_constant", lambda: _bare("QuantizeLinear", np.full((4, 3), 9, F)))


def _bare(op: str, array: np.ndarray) -> ModelProto:
    """x times what an operator makes of a constant."""
    net = Net(np.random.default_rng(0), opset=21)
    name = net.fresh("c")
    net.weights.append(numpy_helper.from_array(array, name))
    y = net.node("MatMul", dequantized(net, "x"), net.node(op, name, net.const(1.0)))
    return net.model({"x": (1, 4)}, [dequantized(net, y)])


def _of_type(kind: int) -> ModelProto:
    """A model whose input is already quantized, to a type that no frame has."""
    net = Net(np.random.default_rng(0), opset=21)
    x = net.node("DequantizeLinear", "x", net.const(0.5))
    model = net.model({"x": (1, 4)}, [net.node("MatMul", x, net.const(np.ones((4, 3))))])
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", kind, (1, 4)))
    return model


for _kind in (TensorProto.INT32, TensorProto.UINT16, TensorProto.INT4, TensorProto.BOOL):
    _name = TensorProto.DataType.Name(_kind).lower()
    add(f"input_{_name}", lambda kind=_kind: _of_type(kind), "HW202")


# Operators on quantized tensors


def _quantized(op: str, *more: Any, first: Any = None, **attributes: Any) -> ModelProto:
    """uint8 x -> an operator with x or a constant first, then constants; 1-D, two parts at most."""
    net = Net(np.random.default_rng(0), opset=13)
    start = "x" if first is None else net.const(first, np.uint8)
    domain = "com.microsoft" if op not in ("QLinearConv", "QLinearMatMul") else ""
    names = [net.const(value, np.asarray(value).dtype) for value in more]
    y = net.node(op, start, *names, domain=domain, **attributes)
    kind = TensorProto.UINT8
    return net.model({"x": (1, 4)}, [y], kind=kind, out_kind=kind)


_Z, _S = np.uint8(0), F(0.5)
_WEIGHT = np.ones((4, 3), np.int8)
for _op in ("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "QLinearGlobalAveragePool"):
    add(f"{_op.lower()}_of_a_constant", lambda op=_op: _quantized(
        op, _S, _Z, _S, _Z, first=[[1, 2, 3, 4]]), *BAD, "HW203")  # fmt: skip
for _at, _what in ((0, "input"), (3, "weight"), (5, "output")):
    for _name, _value in (("nan", F(np.nan)), ("zero", F(0)), ("double", np.float64(0.5))):
        add(f"qlinearmatmul_{_what}_scale_{_name}",
            lambda at=_at, value=_value: _product(at, value), "HW104", *BAD)  # fmt: skip
add("qlinearmatmul_scales_nan", lambda: _product(3, np.array([1, np.nan, 1], F)), "HW104", *BAD)
add("qlinearmatmul_zero_float", lambda: _product(1, F(0.5)), *BAD)
add("qlinearmatmul_zero_of_7", lambda: _product(4, np.zeros(7, np.int8)), *BAD)
add("qlinearmatmul_of_nothing", lambda: _quantized("QLinearMatMul"), *BAD)


def _product(at: int, value: Any) -> ModelProto:
    """QLinearMatMul with another constant at one of its places."""
    constants: list[Any] = [_S, _Z, _WEIGHT, _S, np.int8(0), _S, _Z]
    constants[at] = value
    return _quantized("QLinearMatMul", *constants)
