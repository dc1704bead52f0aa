"""Operators with attributes and inputs that do not fit them."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from tests.frontends.networks import Net
from tests.hostile.corpus import add, around, attribute, change, cnn, image, node

BAD = ("HW103", "HW202")


def _ints(op: str, name: str, *values: int) -> ModelProto:
    """``cnn`` with another list in an attribute."""
    model = cnn()
    attribute(model, op, name).ints[:] = values
    return model


for _op in ("Conv", "MaxPool"):
    for _name, _key, _values in (
        ("stride_0", "strides", (0, 0)), ("stride_negative", "strides", (-1, 1)),
        ("stride_1", "strides", (1,)), ("strides_none", "strides", (0,)),
        ("kernel_0", "kernel_shape", (0, 0)), ("kernel_2_62", "kernel_shape", (1 << 62, 1 << 62)),
        ("kernel_negative", "kernel_shape", (-3, 3)), ("kernel_rank", "kernel_shape", (2,)),
    ):  # fmt: skip
        add(f"{_op.lower()}_{_name}",
            lambda op=_op, key=_key, values=_values: _ints(op, key, *values), *BAD)  # fmt: skip
for _name, _pads in {
    "negative": (-1, -1, -1, -1), "rank": (1,), "of_3": (1, 1, 1),
}.items():  # fmt: skip
    add(f"conv_pads_{_name}", lambda pads=_pads: _ints("Conv", "pads", *pads), *BAD)
for _name, _amount in (("2_20", 1 << 20), ("2_40", 1 << 40), ("2_62", 1 << 62)):
    add(f"conv_pads_{_name}", lambda amount=_amount: _ints("Conv", "pads", *[amount] * 4),
        "HW106", *BAD)  # fmt: skip
add("conv_stride_2_62", lambda: _ints("Conv", "strides", 1 << 62, 1 << 62), *BAD)


@image(*BAD)
def conv_dilation_2_62(model: ModelProto) -> None:
    node(model, "Conv").attribute.append(helper.make_attribute("dilations", [1 << 62, 1 << 62]))


@image(*BAD)
def conv_group_0(model: ModelProto) -> None:
    node(model, "Conv").attribute.append(helper.make_attribute("group", 0))


@image(*BAD)
def conv_group_2_62(model: ModelProto) -> None:
    node(model, "Conv").attribute.append(helper.make_attribute("group", 1 << 62))


@image(*BAD)
def conv_auto_pad_unknown(model: ModelProto) -> None:
    node(model, "Conv").attribute.append(helper.make_attribute("auto_pad", "EVIL"))


@image(*BAD)
def conv_without_inputs(model: ModelProto) -> None:
    del node(model, "Conv").input[:]


@image(*BAD)
def maxpool_without_attributes(model: ModelProto) -> None:
    del node(model, "MaxPool").attribute[:]


@change("HW103", "HW202")
def quant_without_inputs(model: ModelProto) -> None:
    del node(model, "Quant").input[1:]


@change()
def inputs_optional_1000(model: ModelProto) -> None:
    node(model, "Quant").input.extend([""] * 1000)


@change("HW106")
def inputs_100_000(model: ModelProto) -> None:
    node(model, "Quant").input.extend(["x"] * 100_000)


@change("HW106")
def outputs_100_000(model: ModelProto) -> None:
    node(model, "Quant").output.extend([f"o{k}" for k in range(100_000)])


def _op(op: str, *constants: Any, shape: tuple[int, ...] = (1, 4), **attributes: Any) -> ModelProto:
    """An operator behind a quantized input, with int64 constants as its other inputs."""
    return around(lambda net, x: net.node(
        op, x, *(net.const(c, np.int64) for c in constants), **attributes), shape)  # fmt: skip


for _name, _target in {
    "negative": [-3, -4], "two_unknown": [-1, -1], "zero": [0, 0, 0], "huge": [1 << 62, 1 << 62],
    "wraps": [1 << 32, 1 << 32], "of_other_size": [1, 5], "empty": [],
}.items():  # fmt: skip
    add(f"reshape_{_name}", lambda target=_target: _op("Reshape", target), *BAD)
add("reshape_of_rank_100", lambda: _op("Reshape", [1] * 99 + [4]), *BAD)
for _name, _perm in {"short": [0], "twice": [0, 0], "far": [0, 7], "huge": [0, 1 << 62]}.items():
    add(f"perm_{_name}", lambda perm=_perm: _op("Transpose", perm=perm), *BAD)
for _k in (0, -1, 5, 1 << 62):
    add(f"topk_{_k}", lambda k=_k: _topk([k]), *BAD)
add("topk_none", lambda: _topk([]), *BAD)
add("topk_axis", lambda: _topk([1], axis=1 << 40), *BAD)


def _topk(k: list[int], **attributes: int) -> ModelProto:
    net = Net(np.random.default_rng(0))
    x = net.quant("x", 0.25, 4)
    indices = net.node("TopK", x, net.const(k, np.int64), outputs=2, **attributes)
    return net.model({"x": (1, 4)}, [indices], out_kind=7)


for _axis in (-9, 9, 1 << 62):
    add(f"flatten_{_axis}", lambda axis=_axis: _op("Flatten", axis=axis), *BAD, "HW206")
    add(f"squeeze_{_axis}", lambda axis=_axis: _op("Squeeze", [axis]), *BAD)
    add(f"unsqueeze_{_axis}", lambda axis=_axis: _op("Unsqueeze", [axis]), *BAD)
    add(f"concat_{_axis}", lambda axis=_axis: _op("Concat", axis=axis), *BAD, "HW201", "HW206")
    add(f"softmax_{_axis}", lambda axis=_axis: _op("Softmax", axis=axis), *BAD)
    add(f"argmax_{_axis}", lambda axis=_axis: _op("ArgMax", axis=axis), *BAD)
add("unsqueeze_given_twice", lambda: _op("Unsqueeze", [0, 0], axes=[0]), *BAD)
for _block in (0, -2, 3, 1 << 40):
    add(f"depth_{_block}", lambda size=_block: _depth(size), *BAD)


def _depth(block: int) -> ModelProto:
    return _op("DepthToSpace", shape=(1, 4, 2, 2), blocksize=block)


add("gather_far", lambda: _folded("Gather", np.arange(4), np.array([1 << 40])), "HW103")
add("slice_steps_0", lambda: _folded("Slice", *([k] for k in (0, 0, 4, 0, 0))), "HW103")
add("slice_huge", lambda: _folded("Slice", np.arange(4), [-(1 << 63)], [(1 << 63) - 1], [0], [1]),
    *BAD, "HW206")  # fmt: skip
add("cast_to_999", lambda: _folded("Cast", np.arange(4), to=999), *BAD)
add("constant_without_value", lambda: _folded("Constant"), "HW103")
add("concat_of_ranks", lambda: _folded("Concat", np.ones((2, 2)), [1], axis=0), "HW103")
add("reduce_axes", lambda: _folded("ReduceSum", np.arange(4), [99]), "HW103")
add("div_by_zero", lambda: _folded("Div", [1, 2, 3, 4], [0, 0, 0, 0]), "HW104", "HW103", *BAD)
add("log_of_minus_one", lambda: _logged(), "HW104")


def _folded(op: str, *constants: Any, **attributes: Any) -> ModelProto:
    """``x`` reshaped to what an operator makes of int64 constants."""

    def build(net: Net, x: str) -> str:
        values = [net.const(c, np.int64) for c in constants]
        return net.node("Reshape", x, net.node(op, *values, **attributes))

    return around(build)


def _logged() -> ModelProto:
    return around(lambda net, x: net.node("Add", x, net.node("Log", net.const([-1.0]))))


@change("HW103", "HW104", "HW202", "HW203")
def every_operator_without_anything(model: ModelProto) -> None:
    """Each operator that is known, with one input and no attribute."""
    from hwgen.frontends.call import HANDLERS
    from hwgen.frontends.folding import FOLD

    known = sorted({*HANDLERS, *FOLD})
    model.graph.node.extend(_bare(op, k) for k, op in enumerate(known))
    model.graph.output.extend(
        helper.make_tensor_value_info(f"bare_{k}", 1, None) for k in range(len(known))
    )


def _bare(op: str, k: int) -> NodeProto:
    return helper.make_node(op, ["x"], [f"bare_{k}"])
