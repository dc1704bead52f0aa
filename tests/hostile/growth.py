"""Operators that enlarge, repeat, part or multiply: what grows, and what takes long to find out."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto

from tests.frontends.networks import Net
from tests.hostile.corpus import add, around, hazard

BAD = ("HW103", "HW202")
IMAGE = (1, 4, 2, 2)


def _on_image(op: str, *constants: np.ndarray | None, shape: tuple[int, ...] = IMAGE,
              **attributes: Any) -> ModelProto:  # fmt: skip
    """An operator behind a quantized image; None leaves an input out."""

    def build(net: Net, x: str) -> str:
        names = ["" if c is None else net.const(c, c.dtype) for c in constants]
        return _read(net, net.node(op, x, *names, **attributes))

    return around(build, shape)


def _read(net: Net, x: str) -> str:
    """Something that makes hardware of ``x``: its sign."""
    return net.node("BipolarQuant", x, net.const(1.0), domain="qonnx.custom_op.general")


def _pads(*amounts: int) -> np.ndarray:
    return np.array(amounts, np.int64)


for _power in (20, 30, 40, 62):
    add(f"pad_2_{_power}", lambda n=1 << _power: _on_image(
        "Pad", _pads(0, 0, n, n, 0, 0, n, n)), "HW106", *BAD)  # fmt: skip
    add(f"pad_channels_2_{_power}", lambda n=1 << _power: _on_image(
        "Pad", _pads(0, n, 0, 0, 0, n, 0, 0)), "HW106", *BAD)  # fmt: skip
    add(f"resize_2_{_power}", lambda n=2.0**_power: _on_image(
        "Resize", None, np.array([1, 1, n, n], np.float32), mode="nearest"), "HW106", *BAD)  # fmt: skip
    add(f"resize_to_2_{_power}", lambda n=1 << _power: _on_image(
        "Resize", None, None, _pads(1, 4, n, n), mode="nearest"), "HW106", *BAD)  # fmt: skip
    add(f"transposed_stride_2_{_power}", lambda n=1 << _power: _transposed(strides=[n, n]),
        "HW106", *BAD)  # fmt: skip
    add(f"transposed_output_padding_2_{_power}",
        lambda n=1 << _power: _transposed(strides=[2, 2], output_padding=[n, n]),
        "HW106", *BAD)  # fmt: skip
    add(f"transposed_output_2_{_power}", lambda n=1 << _power: _transposed(output_shape=[n, n]),
        "HW106", *BAD)  # fmt: skip
    add(f"average_pads_2_{_power}", lambda n=1 << _power: _on_image(
        "AveragePool", kernel_shape=[2, 2], pads=[n] * 4), "HW106", *BAD)  # fmt: skip
    add(f"average_included_pads_2_{_power}", lambda n=1 << _power: _on_image(
        "AveragePool", kernel_shape=[n, n], pads=[n] * 4, count_include_pad=1), "HW106", *BAD)  # fmt: skip
    add(f"average_kernel_2_{_power}", lambda n=1 << _power: _on_image(
        "AveragePool", kernel_shape=[n, n]), "HW106", *BAD)  # fmt: skip
    add(f"max_pads_2_{_power}", lambda n=1 << _power: _on_image(
        "MaxPool", kernel_shape=[n, n], pads=[n - 1] * 4), "HW106", *BAD)  # fmt: skip
add("max_kernel_everywhere", lambda: _on_image(
    "MaxPool", kernel_shape=[1001, 1001], pads=[500] * 4, shape=(1, 1, 1024, 1024)), "HW106")  # fmt: skip
add("average_kernel_everywhere", lambda: _on_image(
    "AveragePool", kernel_shape=[1001, 1001], pads=[500] * 4, shape=(1, 1, 1024, 1024)), "HW106")  # fmt: skip
add("conv_pads_behind_strides", lambda: _strided(1 << 14), "HW106")
add("average_stride_0", lambda: _on_image(
    "AveragePool", kernel_shape=[2, 2], strides=[0, 0]), *BAD)  # fmt: skip
add("pad_negative", lambda: _on_image("Pad", _pads(0, 0, -1, 0, 0, 0, -1, 0)), *BAD)
add("pad_short", lambda: _on_image("Pad", _pads(1, 1)), *BAD)
add("pad_axes_far", lambda: _on_image("Pad", _pads(1, 1), None, _pads(1 << 40)), "HW103")
add("pad_axes_negative", lambda: _on_image("Pad", _pads(1, 1), None, _pads(-1)))
add("pad_value_nan", lambda: _on_image(
    "Pad", _pads(0, 0, 1, 1, 0, 0, 1, 1), np.float32(np.nan)), "HW104")  # fmt: skip
add("pad_value_1e30", lambda: _on_image(
    "Pad", _pads(0, 0, 1, 1, 0, 0, 1, 1), np.float32(1e30)), *BAD)  # fmt: skip
add("pad_mode", lambda: _on_image("Pad", _pads(0, 0, 1, 1, 0, 0, 1, 1), mode="EVIL"), *BAD)
for _name, _factor in {"nan": np.nan, "inf": np.inf, "minus_inf": -np.inf}.items():
    add(f"resize_{_name}", lambda f=_factor: _on_image(
        "Resize", None, np.array([1, 1, f, f], np.float32)), "HW104")  # fmt: skip
for _name, _factor in {"zero": 0.0, "negative": -2.0, "tiny": 1e-30}.items():
    add(f"resize_{_name}", lambda f=_factor: _on_image(
        "Resize", None, np.array([1, 1, f, f], np.float32)), *BAD)  # fmt: skip
add("resize_short", lambda: _on_image("Resize", None, np.array([2.0], np.float32)), *BAD)
add("resize_to_0", lambda: _on_image("Resize", None, None, _pads(1, 4, 0, 0)), *BAD)
add("resize_to_minus_1", lambda: _on_image("Resize", None, None, _pads(1, 4, -1, -1)), *BAD)
add("resize_nothing", lambda: _on_image("Resize"), *BAD)
add("resize_mode", lambda: _on_image(
    "Resize", None, np.array([1, 1, 2, 2], np.float32), coordinate_transformation_mode="x"), *BAD)  # fmt: skip
add("transposed_group_0", lambda: _transposed(group=0), *BAD)
add("transposed_group_3", lambda: _transposed(group=3), *BAD)
add("transposed_padding", lambda: _transposed(pads=[9, 9, 9, 9]), *BAD)
add("transposed_dilation_2_40", lambda: _transposed(dilations=[1 << 40] * 2), *BAD, "HW106")
add("reduce_axis_far", lambda: _on_image("ReduceMean", axes=[1 << 40]), *BAD)
add("reduce_axis_twice", lambda: _on_image("ReduceMean", axes=[2, 2, -2, 3]))
add("gather_of_a_frame_bomb", lambda: _on_image(
    "Gather", np.zeros(1 << 20, np.int64), axis=2, shape=(1, 1 << 12, 2, 2)), "HW106", *BAD)  # fmt: skip
add("gather_of_a_frame_far", lambda: _on_image("Gather", _pads(1 << 40), axis=1), *BAD)
add("slice_of_a_frame_step_0", lambda: _on_image("Slice", *map(_pads, (0, 2, 2, 0))), *BAD)
add("slice_of_a_frame_huge", lambda: _on_image(
    "Slice", *map(_pads, (1 << 62, (1 << 63) - 1, 2, 1 << 62))), *BAD)  # fmt: skip
add("slice_of_a_frame_axis", lambda: _on_image("Slice", *map(_pads, (0, 2, 99))), *BAD)


def _transposed(**attributes: Any) -> ModelProto:
    def build(net: Net, x: str) -> str:
        weight = net.quant(net.const(np.ones((4, 2, 2, 2))), 1.0, 2)
        return _read(net, net.node("ConvTranspose", x, weight, **attributes))

    return around(build, IMAGE)


def _strided(amount: int) -> ModelProto:
    """Padding of which hardly anything is looked at."""

    def build(net: Net, x: str) -> str:
        weight = net.quant(net.const(np.ones((1, 4, 2, 2))), 1.0, 2)
        return _read(net, net.node("Conv", x, weight, pads=[amount] * 4, strides=[amount] * 2))

    return around(build, IMAGE)


def _split(channels: int, parts: int, **attributes: Any) -> ModelProto:
    """All parts but the first go nowhere, which has a price all the same."""
    net = Net(np.random.default_rng(0), opset=18)
    x = net.quant("x", 0.25, 4)
    net.node("Split", x, outputs=parts, axis=1, **attributes)
    first = net.nodes[-1].output[0]
    return net.model({"x": (1, channels)}, [_read(net, first)])


add("split_into_1024", lambda: _split(1024, 1024))
add("split_into_more_than_there_is", lambda: _split(4, 4000), *BAD)
add("split_num_outputs_0", lambda: _split(4, 2, num_outputs=0), *BAD)
add("split_num_outputs_2_62", lambda: _split(4, 2, num_outputs=1 << 62), *BAD)
add("split_sizes_negative", lambda: _split(4, 2, split=[5, -1]), *BAD)


@hazard("HW106")
def split_and_joined_for_ever() -> ModelProto:
    """Parts of a frame, joined in another order, again and again: tensors without end."""

    def build(net: Net, x: str) -> str:
        for _ in range(600):
            net.node("Split", x, outputs=2, axis=1)
            first, second = net.nodes[-1].output
            x = net.node("Concat", second, first, axis=1)
        return _read(net, x)

    return around(build, (1, 1 << 20))


@hazard("HW106")
def frame_that_doubles() -> ModelProto:
    """Concat of a frame with itself, 40 times over."""

    def build(net: Net, x: str) -> str:
        for _ in range(40):
            x = net.node("Concat", x, x, axis=1)
        return _read(net, x)

    return around(build)


@hazard("HW202", "HW106")
def concat_of_10_000() -> ModelProto:
    return around(lambda net, x: _read(net, net.node("Concat", *[x] * 10_000, axis=1)))


# Sums and products


def _two_scales(first: float, second: float, bits: int = 8) -> ModelProto:
    def build(net: Net, _: str) -> str:
        x = net.quant("x", 0.25, bits)
        a, b = (net.quant(net.node("MatMul", x, _identity(net, k)), scale, bits)
                for k, scale in enumerate((first, second)))  # fmt: skip
        return net.quant(net.node("Add", a, b), 0.5, bits)

    return around(build)


def _identity(net: Net, turn: int) -> str:
    return net.quant(net.const(np.roll(np.eye(4), turn, axis=0)), 1.0, 2)


add("sum_of_scales_1e30", lambda: _two_scales(1e-15, 1e15))
add("sum_of_scales_1e76", lambda: _two_scales(1.2e-38, 3e38))
add("sum_of_scales_irrational", lambda: _two_scales(0.1, 0.1 * 2**0.5))
add("sum_of_2_24_pairs", lambda: _two_scales(0.1, 0.3, 12), "HW202")


@hazard(*BAD, "HW106")
def sum_of_10_000() -> ModelProto:
    return around(lambda net, x: net.quant(net.node("Sum", *[x] * 10_000), 1.0, 8))


@hazard(*BAD)
def sum_outer() -> ModelProto:
    """(1, 2048, 1, 1) + (1, 1, 2048, 1): each spread over the other."""

    def build(net: Net, x: str) -> str:
        turned = net.node("Transpose", x, perm=[0, 2, 1, 3])
        return _read(net, net.node("Add", x, turned))

    return around(build, (1, 2048, 1, 1))


@hazard(*BAD, "HW106")
def sums_without_quantizer_2_000() -> ModelProto:
    """Each doubles the range: 2 000 bits."""

    def build(net: Net, x: str) -> str:
        y = net.node("MatMul", x, _identity(net, 1))
        for _ in range(2000):
            y = net.node("Add", y, net.node("MatMul", y, _identity(net, 1)))
        return _read(net, y)

    return around(build)


@hazard(*BAD, "HW106")
def products_without_quantizer() -> ModelProto:
    """Each squares the range: 2^40 bits after 40."""

    def build(net: Net, x: str) -> str:
        for _ in range(40):
            x = net.node("Mul", x, net.node("MatMul", x, _identity(net, 1)))
        return _read(net, x)

    return around(build)


@hazard(*BAD, "HW106", "HW203")
def squares_without_quantizer() -> ModelProto:
    def build(net: Net, x: str) -> str:
        for _ in range(40):
            x = net.node("Mul", x, x)
        return net.node("MatMul", x, _identity(net, 1))

    return around(build)


@hazard(*BAD, "HW106")
def matmuls_without_quantizer_500() -> ModelProto:
    def build(net: Net, x: str) -> str:
        for _ in range(500):
            x = net.node("MatMul", x, net.const(np.full((4, 4), 30000)))
        return _read(net, x)

    return around(build)


@hazard("HW106")
def gates_within_gates() -> ModelProto:
    """y * sigmoid(y), 2 000 times: functions of one integer, one within another."""

    def build(net: Net, x: str) -> str:
        for _ in range(2000):
            x = net.node("Mul", x, net.node("Sigmoid", x))
        return _read(net, x)

    return around(build)


@hazard("HW106")
def residuals_of_one_tensor() -> ModelProto:
    """q + tanh(...): deep by one step each time, and never wide."""

    def build(net: Net, x: str) -> str:
        y = x
        for _ in range(1000):
            y = net.node("Add", x, net.node("Tanh", y))
        return net.quant(y, 1.0, 4)

    return around(build)


# Tables that take long


def _enumerated(channels: int, bits: int, *functions: str, out_bits: int = 8) -> ModelProto:
    """Functions of codes of so many bits, different in each channel, behind a quantizer."""

    def build(net: Net, x: str) -> str:
        x = net.quant(x, 2.0**-bits, bits)
        x = net.node("MatMul", x, net.quant(net.const(np.ones((4, channels))), 1.0, 2))
        x = net.node("Mul", x, net.const(np.linspace(0.1, 1, channels)))
        for function in functions:
            x = net.node(function, x)
        return net.quant(x, 2.0 ** -(out_bits - 1), out_bits)

    return around(build)


add("table_16_bits_of_4096", lambda: _enumerated(4096, 16, out_bits=16), "HW202")
add("table_24_bits_of_4096", lambda: _enumerated(4096, 24, out_bits=8))
add("table_24_bits_to_16", lambda: _enumerated(64, 24, "Tanh", out_bits=16), "HW202")
add("table_of_gelus", lambda: _enumerated(64, 16, *["Erf"] * 500), "HW106")
add("table_of_turns", lambda: _enumerated(64, 16, "Abs", "Exp"))
add("table_of_softplus", lambda: _enumerated(256, 12, *["Softplus", "Mish"] * 400), "HW106")


@hazard()
def lookups_200() -> ModelProto:
    """Functions that rise and fall, each with a table of its own."""

    def build(net: Net, x: str) -> str:
        x = net.node("MatMul", x, _identity(net, 1))
        for k in range(200):
            x = net.quant(net.node("Abs", net.node("Add", x, net.const(-0.5 * (k % 3)))), 0.25, 8)
        return x

    return around(build)


# Frames


def _large(side: int) -> ModelProto:
    def build(net: Net, x: str) -> str:
        weight = net.quant(net.const(np.ones((1, 1, 3, 3))), 1.0, 2)
        return net.quant(net.node("Conv", x, weight, pads=[1] * 4), 1.0, 4)

    return around(build, (1, 1, side, side))


add("image_of_4_million_pixels", lambda: _large(2049), "HW106")
add("image_of_16_million_pixels", lambda: _large(4096), "HW106")
