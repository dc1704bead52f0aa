"""Weights, scales, widths and thresholds that are no sensible numbers."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.frontends.networks import DOMAIN, Net
from tests.hostile.corpus import add, around, change, cnn, mlp, put, tensor

WEIGHT = 0  # the weight's Quant is the second one


def _weights(value: float) -> ModelProto:
    model = mlp()
    found = next(t for t in model.graph.initializer if len(t.dims) == 2)
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    array[1, 1] = value
    put(found, array)
    return model


for _name, _value in (("nan", np.nan), ("inf", np.inf), ("minus_inf", -np.inf)):
    add(f"weight_{_name}", lambda value=_value: _weights(value), "HW104")
add("weight_1e38", lambda: _weights(3e38))  # saturates, as its quantizer says


def _quant(index: int, value: object) -> ModelProto:
    """``mlp`` with another constant at an input of its first Quant."""
    model = mlp()
    put(tensor(model, "Quant", index), value)
    return model


_F = np.float32
for _name, _value in {
    "zero": _F(0), "minus_zero": _F(-0.0), "negative": _F(-0.25), "nan": _F(np.nan),
    "inf": _F(np.inf), "denormal": _F(1e-42), "one_of_many": np.array([1, 1, 0, 1], _F),
}.items():  # fmt: skip
    add(f"scale_{_name}", lambda value=_value: _quant(1, value), "HW104")
add("scale_tiny", lambda: _quant(1, _F(1.2e-38)))
add("scale_huge", lambda: _quant(1, _F(3e38)))
add("scale_none", lambda: _quant(1, np.zeros(0, _F)), "HW103", "HW202")
add("scale_of_wrong_shape", lambda: _quant(1, np.ones((7, 5), _F)), "HW103", "HW202")
add("scale_that_enlarges", lambda: _quant(1, np.ones((4000, 1), _F)), "HW103", "HW202")
add("zero_point_nan", lambda: _quant(2, _F(np.nan)), "HW104")
add("zero_point_huge", lambda: _quant(2, _F(1e30)))
for _bits in (0, -1, 3.5, 1e9, 25, 2.0**63):
    add(f"bits_{_bits:g}", lambda bits=_bits: _quant(3, _F(bits)), "HW202")
add("bits_nan", lambda: _quant(3, _F(np.nan)), "HW104")
add("bits_none", lambda: _quant(3, np.zeros(0, _F)), "HW202", "HW103")
add("bits_int64", lambda: _quant(3, np.int64(1 << 62)), "HW202")


def _outer(weights: tuple[int, ...], scale: tuple[int, ...]) -> ModelProto:
    """A weight whose scale would enlarge it."""
    return around(lambda net, x: net.node(
        "MatMul", x, net.quant(net.const(np.ones(weights)), np.ones(scale, _F), 3)))  # fmt: skip


add("weight_scale_outer_product", lambda: _outer((4, 1), (1, 1 << 16)), "HW103", "HW202")
add("weight_scale_outer_bomb", lambda: _outer((1 << 16, 1), (1, 1 << 16)), "HW103", "HW202")


def _thresholds(table: np.ndarray, **attributes: float) -> ModelProto:
    def build(net: Net, x: str) -> str:
        table_name = net.const(table)
        return net.node("MultiThreshold", _product(net, x), table_name, domain=DOMAIN, **attributes)

    return around(build)


def _product(net: Net, x: str) -> str:
    return net.node("MatMul", x, net.quant(net.const(np.ones((4, 3))), 1.0, 2))


add("thresholds_unsorted", lambda: _thresholds(np.array([[3.0, 1.0, 2.0]])))
add("thresholds_nan", lambda: _thresholds(np.array([[1.0, np.nan]])), "HW104")
add("thresholds_huge", lambda: _thresholds(np.array([[-3e38, 3e38]])))
add("thresholds_none", lambda: _thresholds(np.zeros((1, 0))), "HW202")
add("thresholds_no_rows", lambda: _thresholds(np.zeros((0, 3))), "HW202", "HW103")
add("thresholds_of_rank_3", lambda: _thresholds(np.zeros((1, 3, 3))), "HW202")
add("thresholds_of_other_channels", lambda: _thresholds(np.zeros((7, 3))), "HW202")
add("thresholds_million", lambda: _thresholds(np.zeros((1, 1 << 20))), "HW106")
add("thresholds_scale_0", lambda: _thresholds(np.ones((1, 3)), out_scale=0.0), "HW104")
add("thresholds_scale_nan", lambda: _thresholds(np.ones((1, 3)), out_scale=np.nan), "HW104")


def _input(*dims: int | str, kind: int = TensorProto.FLOAT) -> ModelProto:
    model = mlp()
    info = helper.make_tensor_value_info("x", kind, dims)
    model.graph.input[0].CopyFrom(info)
    return model


for _name, _dims in {
    "zero": (1, 0), "negative": (1, -4), "symbolic": (1, "k"), "batch_7": (7, 4), "scalar": (),
    "2_62": (1, 1 << 62), "lowest": (1, -(1 << 63)),
}.items():  # fmt: skip
    add(f"input_{_name}", lambda dims=_dims: _input(*dims), "HW105", "HW106")
add("input_product_wraps", lambda: _input(1, 1 << 32, 1 << 32), "HW106")
add("input_of_4_gb", lambda: _input(1, 1 << 30), "HW106")
add("input_of_rank_1000", lambda: _input(*[1] * 1000), "HW106")
add("input_of_strings", lambda: _input(1, 4, kind=TensorProto.STRING), "HW202")
add("input_of_no_type", lambda: _input(1, 4, kind=0), "HW202")
add("input_of_type_999", lambda: _input(1, 4, kind=999), "HW202")


@change("HW105")
def input_without_shape(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


@change("HW105")
def input_is_a_sequence(model: ModelProto) -> None:
    model.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = 1


@change()
def output_lies_about_its_shape(model: ModelProto) -> None:
    info = helper.make_tensor_value_info(model.graph.output[0].name, 1, [1 << 40, -7])
    model.graph.output[0].CopyFrom(info)


@change()
def value_info_lies(model: ModelProto) -> None:
    for each in model.graph.node:
        info = helper.make_tensor_value_info(each.output[0], TensorProto.STRING, [1 << 62] * 3)
        model.graph.value_info.append(info)


def _image_weight(shape: tuple[int, ...]) -> ModelProto:
    model = cnn()
    found = next(t for t in model.graph.initializer if len(t.dims) == 4)
    put(found, np.ones(shape, _F))
    return model


add("conv_weight_of_other_channels", lambda: _image_weight((3, 5, 3, 3)), "HW103", "HW202")
add("conv_weight_larger_than_image", lambda: _image_weight((3, 2, 9, 9)), "HW103", "HW202")
add("conv_weight_without_outputs", lambda: _image_weight((0, 2, 3, 3)), "HW103", "HW202")
add("conv_weight_of_rank_2", lambda: _image_weight((3, 2)), "HW103", "HW202")
