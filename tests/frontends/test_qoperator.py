"""Operators on codes, each against onnxruntime at values where rounding ties abound."""

from __future__ import annotations

import numpy as np
import pytest

from hwgen.frontends.tensors import MICROSOFT
from tests.frontends.fixed import Fixed, equal, refusal

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
KINDS = [("uint8", 128), ("uint8", 3), ("int8", 0), ("int8", -7)]
each_kind = pytest.mark.parametrize(("kind", "zero"), KINDS)


def grid(net: Fixed, scale: float, zero: int, kind: str) -> list[str]:
    return [net.const(scale), net.const(zero, kind)]


@each_kind
@pytest.mark.parametrize("scales", [1, 4])
def test_qlinear_conv(kind: str, zero: int, scales: int) -> None:
    net = Fixed()
    x = net.codes("x", 0.125, zero, kind)
    w = net.const(net.rng.integers(-20, 21, (4, 2, 3, 3)), "int8")
    scale = 2.0 ** -net.rng.integers(2, 5, scales)
    parameters = [net.const(scale), net.const(np.zeros(scales), "int8")]
    bias = net.const(net.rng.integers(-99, 99, 4), np.int32)
    y = net.node("QLinearConv", *x, w, *parameters, *grid(net, 1.0, zero, kind), bias,
                 pads=[1, 1, 0, 0], strides=[2, 1])  # fmt: skip
    equal(net, y, x=(1, 2, 5, 5))


@each_kind
def test_qlinear_conv_depthwise(kind: str, zero: int) -> None:
    net = Fixed()
    x = net.codes("x", 0.125, zero, kind)
    w = [net.const(net.rng.integers(-20, 21, (6, 1, 3)), "int8"), *grid(net, 0.25, 0, "int8")]
    y = net.node("QLinearConv", *x, *w, *grid(net, 0.5, zero, kind), group=3, dilations=[2])
    equal(net, y, x=(1, 3, 9))


@each_kind
def test_qlinear_matmul(kind: str, zero: int) -> None:
    net = Fixed()
    b = [net.const(net.rng.integers(-20, 21, (6, 4)), "int8"), *grid(net, 0.25, 2, "int8")]
    y = net.node("QLinearMatMul", *net.codes("x", 0.125, zero, kind), *b,
                 *grid(net, 0.5, zero, kind))  # fmt: skip
    equal(net, y, x=(1, 6))


@each_kind
@pytest.mark.parametrize("real", [False, True])
def test_qgemm(kind: str, zero: int, real: bool) -> None:
    net = Fixed()
    b = [net.const(net.rng.integers(-20, 21, (4, 6)), "int8"), *grid(net, 0.25, 0, "int8")]
    bias = net.const(net.rng.integers(-99, 99, 4), np.int32)
    y = net.node("QGemm", *net.codes("x", 0.125, zero, kind), *b, bias,
                 *([] if real else grid(net, 0.5, zero, kind)), domain=MICROSOFT, transB=1)  # fmt: skip
    equal(net, y, x=(1, 6))


@pytest.mark.parametrize("bias", [False, True])
def test_integer_products_and_a_scale_behind_them(bias: bool) -> None:
    net = Fixed()
    x, _, zero = net.codes("x", 0.125, 77, "uint8")
    w = net.const(net.rng.integers(0, 41, (3, 2, 2, 2)), "uint8")
    y = net.node("ConvInteger", x, w, zero, net.const(20, "uint8"))
    y = net.node("Mul", net.node("Cast", y, to=1), net.const(0.125))
    if bias:
        y = net.node("Add", y, net.const(np.reshape([0.5, -1.0, 2.0], (3, 1, 1))))
    equal(net, y, x=(1, 2, 4, 4))


def test_matmul_integer_gives_int32() -> None:
    net = Fixed()
    x, _, zero = net.codes("x", 0.125, 5, "uint8")
    b = net.const(net.rng.integers(-20, 21, (6, 4)), "int8")
    graph = equal(net, net.node("MatMulInteger", x, b, zero, net.const(1, "int8")), x=(1, 6))
    assert graph.outputs[0].dtype == "int32"


@each_kind
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("scale", [0.25, 0.5])
def test_two_tensors(op: str, kind: str, zero: int, scale: float) -> None:
    """Their sums and products are rounded with the zero point, not before it."""
    net = Fixed()
    a, b = net.codes("x", 0.125, zero, kind), net.codes("y", scale, 1 + zero, kind)
    y = net.node(op, *a, *b, *grid(net, 1.0, 1 + zero, kind), domain=MICROSOFT)
    equal(net, y, x=(1, 2, 3, 3), y=(1, 2, 3, 3))


@each_kind
def test_a_gate_is_spread_over_pixels(kind: str, zero: int) -> None:
    net = Fixed()
    a, b = net.codes("x", 0.125, zero, kind), net.codes("y", 0.25, zero, kind)
    y = net.node("QLinearMul", *a, *b, *grid(net, 1.0, zero, kind), domain=MICROSOFT)
    equal(net, y, x=(1, 3, 4, 4), y=(1, 3, 1, 1))


@each_kind
def test_qlinear_concat(kind: str, zero: int) -> None:
    net = Fixed()
    a, b = net.codes("x", 0.125, zero, kind), net.codes("y", 0.5, 0, kind)
    y = net.node("QLinearConcat", *grid(net, 0.25, zero, kind), *a, *b, axis=1, domain=MICROSOFT)
    equal(net, y, x=(1, 2, 3, 3), y=(1, 4, 3, 3))


@each_kind
@pytest.mark.parametrize(
    ("op", "attrs"),
    [("QLinearAveragePool", {"kernel_shape": [1, 2]}),
     ("QLinearAveragePool", {"kernel_shape": [2, 2], "pads": [1, 0, 1, 0],
                             "count_include_pad": 1}),
     ("QLinearAveragePool", {"kernel_shape": [4, 2]}),  # the whole image: rounded otherwise
     ("QLinearGlobalAveragePool", {})],
)  # fmt: skip
def test_averages_round_as_onnxruntime_does(op: str, attrs: dict, kind: str, zero: int) -> None:
    net = Fixed()
    y = net.node(op, *net.codes("x", 0.125, zero, kind), *grid(net, 0.25, 1 + zero, kind),
                 domain=MICROSOFT, **attrs)  # fmt: skip
    equal(net, y, x=(1, 3, 4, 2))


@each_kind
def test_qlinear_leaky_relu(kind: str, zero: int) -> None:
    net = Fixed()
    y = net.node("QLinearLeakyRelu", *net.codes("x", 0.125, zero, kind),
                 *grid(net, 0.25, zero, kind), domain=MICROSOFT, alpha=0.125)  # fmt: skip
    y = net.node("MaxPool", y, kernel_shape=[2, 2])
    equal(net, y, x=(1, 2, 4, 4))


@each_kind
def test_qlinear_sigmoid(kind: str, zero: int) -> None:
    net = Fixed()
    y = net.node("QLinearSigmoid", *net.codes("x", 0.125, zero, kind),
                 *grid(net, 2.0**-7, zero, kind), domain=MICROSOFT)  # fmt: skip
    y = net.node("MaxPool", y, kernel_shape=[2, 2])
    equal(net, y, x=(1, 2, 4, 4))


def test_channels_last_is_refused_with_a_remedy() -> None:
    net = Fixed()
    y = net.node("QLinearGlobalAveragePool", *net.codes("x", 0.125), *grid(net, 0.25, 0, "uint8"),
                 domain=MICROSOFT, channels_last=1)  # fmt: skip
    (problem,) = refusal(net, y, x=(1, 4, 4, 3))
    assert problem.code == "HW202" and "channels_last" in problem.help
