"""Convolutions of every kind: grouped, depthwise, dilated, one-dimensional, transposed."""

from __future__ import annotations

import numpy as np
import pytest

from hwgen.ops import Conv, DepthwiseConv, Interleave, Pad
from tests.frontends.fixed import Fixed, equal, refusal

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")


@pytest.mark.parametrize("zero", [0, 5])
@pytest.mark.parametrize(
    ("inputs", "outputs", "groups", "op"),
    [(4, 6, 1, Conv), (4, 6, 2, Conv), (4, 4, 4, DepthwiseConv), (3, 6, 3, DepthwiseConv)],
)
def test_groups(inputs: int, outputs: int, groups: int, op: type, zero: int) -> None:
    net = Fixed()
    w = net.stored((outputs, inputs // groups, 3, 2), 0.5)
    y = net.node("Conv", net.pair("x", 0.125, zero), w, group=groups, pads=[1, 0, 1, 1])
    graph = equal(net, net.pair(y, 1.0), x=(1, inputs, 5, 4))
    assert op in {type(node.op) for node in graph.nodes}


@pytest.mark.parametrize(
    "attrs",
    [{"dilations": [2, 1]}, {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
     {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"},
     {"dilations": [2, 2], "pads": [2, 1, 0, 2], "strides": [1, 2]}],
    ids=str,
)  # fmt: skip
def test_geometry(attrs: dict) -> None:
    net = Fixed()
    y = net.node("Conv", net.pair("x", 0.125, 3), net.stored((3, 2, 2, 2), 0.5, 1), **attrs)
    equal(net, net.pair(y, 1.0), x=(1, 2, 5, 6))


def test_one_dimension() -> None:
    net = Fixed()
    w = net.stored((4, 3, 3), 0.5)
    y = net.node("Conv", net.pair("x", 0.125, 3), w, pads=[2, 0], strides=[2], dilations=[2])
    equal(net, net.pair(y, 1.0), x=(1, 3, 9))


def test_a_pad_before_a_convolution_costs_nothing() -> None:
    net = Fixed()
    x = net.node("Pad", net.pair("x", 0.125), net.const([0, 0, 1, 1, 0, 0, 2, 0], np.int64))
    graph = equal(net, net.node("Conv", x, net.stored((3, 2, 2, 2), 0.5)), x=(1, 2, 4, 4))
    assert Pad not in {type(node.op) for node in graph.nodes}


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "attrs",
    [{}, {"strides": [2, 2]}, {"strides": [2, 3], "pads": [1, 1, 1, 1]},
     {"strides": [2, 2], "pads": [1, 0, 1, 2], "output_padding": [1, 1]},
     {"dilations": [2, 1]}, {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
     {"strides": [2, 2], "output_shape": [7, 8]}],
    ids=str,
)  # fmt: skip
def test_transposed(attrs: dict, groups: int) -> None:
    net = Fixed()
    w = net.stored((4, 3, 3, 3), 0.5)
    bias = net.const(net.dyadic((3 * groups,), 2.0))
    y = net.node("ConvTranspose", net.pair("x", 0.125, 3), w, bias, group=groups, **attrs)
    graph = equal(net, net.pair(y, 1.0), x=(1, 4, 3, 4))
    if "strides" in attrs:
        assert Interleave in {type(node.op) for node in graph.nodes}


def test_padding_larger_than_the_kernel_is_refused() -> None:
    net = Fixed()
    w = net.stored((2, 3, 2, 2), 0.5)
    y = net.node("ConvTranspose", net.pair("x", 0.125), w, pads=[2, 0, 0, 0])
    (problem,) = refusal(net, y, x=(1, 2, 4, 4))
    assert problem.code == "HW202" and "Slice" in problem.help


def test_weights_that_depend_on_the_input_are_refused() -> None:
    net = Fixed()
    y = net.node("Conv", net.pair("x", 0.125), net.pair("y", 0.125))
    (problem,) = refusal(net, y, x=(1, 2, 4, 4), y=(1, 2, 3, 3))
    assert problem.code == "HW202" and "constant" in problem.why
