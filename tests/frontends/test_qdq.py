"""QuantizeLinear and DequantizeLinear: zero points, axes, blocks, types, and a Clip between them."""

from __future__ import annotations

import numpy as np
import pytest

from hwgen.core.intrange import IntRange
from hwgen.ops import Conv, MatMul, Threshold
from tests.frontends.fixed import Fixed, equal, refusal

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")


def layer(net: Fixed, x: str, inputs: int = 6, outputs: int = 4) -> str:
    return net.node("MatMul", x, net.stored((inputs, outputs), 0.25))


@pytest.mark.parametrize(
    ("kind", "zero"),
    [("int8", 0), ("int8", -128), ("int8", 37), ("uint8", 0), ("uint8", 128), ("uint8", 255),
     ("int4", -8), ("int4", 3), ("uint4", 0), ("uint4", 9), ("int16", -5), ("uint16", 40000)],
)  # fmt: skip
def test_zero_points_of_activations(kind: str, zero: int) -> None:
    net = Fixed()
    x = net.pair("x", 0.25, zero, kind)
    equal(net, net.pair(layer(net, x), 0.5, zero, kind), x=(1, 6))


@pytest.mark.parametrize("zero", [0, 1, -3])
def test_ties_are_rounded_before_the_zero_point_is_added(zero: int) -> None:
    """2.5 becomes 2, and with a zero point of 1 it becomes 3, not 4."""
    net = Fixed()
    y = net.node("MatMul", net.pair("x", 0.125, 0), net.const(np.eye(6)))
    equal(net, net.node("QuantizeLinear", y, net.const(0.25), net.const(zero, "int8")), x=(1, 6))


@pytest.mark.parametrize(("kind", "zero"), [("int8", 5), ("uint8", 7), ("int4", -2), ("uint4", 3)])
def test_zero_points_and_types_of_weights(kind: str, zero: int) -> None:
    net = Fixed()
    w = net.stored((6, 4), 0.25, zero, kind)
    equal(net, net.node("MatMul", net.pair("x", 0.25, 9, "uint8"), w), x=(1, 6))


@pytest.mark.parametrize("axis", [0, -4])
def test_a_scale_and_a_zero_point_for_each_output(axis: int) -> None:
    net = Fixed()
    w = net.stored((4, 2, 3, 3), [0.5, 0.25, 1.0, 2.0], [0, 1, -2, 3], axis=axis)
    y = net.node("Conv", net.pair("x", 0.25, 3), w, pads=[1, 1, 1, 1])
    graph = equal(net, y, x=(1, 2, 5, 4))
    assert [type(node.op) for node in graph.nodes] == [Conv]


@pytest.mark.parametrize("block", [2, 4])
def test_weights_in_blocks(block: int) -> None:
    """Scales in a ratio of integers fold into the weights."""
    net = Fixed()
    count = -(-6 // block)
    scale = 2.0 ** net.rng.integers(-3, 1, (count, 4))
    w = net.stored((6, 4), scale, np.zeros((count, 4)), axis=0, block_size=block)
    graph = equal(net, net.node("MatMul", net.pair("x", 0.25), w), x=(1, 6))
    assert [type(node.op) for node in graph.nodes] == [MatMul]


def test_activations_per_channel() -> None:
    net = Fixed()
    y = net.node("Conv", net.pair("x", 0.25), net.stored((3, 2, 1, 1), 0.5))
    scale = net.const([0.5, 1.0, 0.25])
    y = net.node("QuantizeLinear", y, scale, net.const([0, 1, -1], "int8"), axis=1)
    equal(net, y, x=(1, 2, 4, 4))


@pytest.mark.parametrize(("lo", "hi"), [(-8, 7), (-127, 127), (0, 100), (5, 5)])
def test_a_clip_between_the_pair_narrows_the_codes(lo: int, hi: int) -> None:
    net = Fixed()
    given = [net.const(0.125), net.const(0, "int8")]
    codes = net.node("QuantizeLinear", layer(net, net.pair("x", 0.25)), *given)
    codes = net.node("Clip", codes, net.const(lo, "int8"), net.const(hi, "int8"))
    graph = equal(net, net.node("DequantizeLinear", codes, *given), x=(1, 6))
    last = graph.nodes[-1]
    assert isinstance(last.op, Threshold)
    assert graph.type(last.output).range in IntRange(lo, hi)


def test_a_bias_of_32_bits() -> None:
    net = Fixed()
    codes = net.const([100_000, -70_000, 3], np.int32)
    bias = net.node("DequantizeLinear", codes, net.const(2.0**-5))
    w = net.stored((3, 6), 0.125)
    y = net.node("Gemm", net.pair("x", 0.25), w, bias, transB=1)
    equal(net, net.pair(y, 16.0), x=(1, 6))


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_integer_inputs_and_outputs(kind: str) -> None:
    net = Fixed()
    given = [net.const(0.5), net.const(100, kind)]
    y = layer(net, net.node("DequantizeLinear", "x", *given))
    y = net.node("QuantizeLinear", y, *given)
    equal(net, y, x=(kind, (1, 6)))


def test_output_dtype_in_place_of_a_zero_point() -> None:
    net = Fixed()
    y = layer(net, net.pair("x", 0.25))
    equal(net, net.node("QuantizeLinear", y, net.const(0.5), output_dtype=3), x=(1, 6))


def test_what_depends_on_each_frame_is_refused() -> None:
    net = Fixed()
    net.node("DynamicQuantizeLinear", "x", outputs=3)
    codes, scale, zero = net.nodes[-1].output
    y = layer(net, net.node("DequantizeLinear", codes, scale, zero))
    (problem,) = refusal(net, y, x=(1, 6))
    assert problem.code == "HW202" and "statically" in problem.help
