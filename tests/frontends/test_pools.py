"""Averages and reductions: exact sums, then one division in the chain behind them."""

from __future__ import annotations

import numpy as np
import pytest

from hwgen.ops import MatMul, MaxPool, SumPool, Threshold
from tests.frontends.fixed import Fixed, equal

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")


@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(
    "attrs",
    [{}, {"strides": [2, 2]}, {"pads": [1, 1, 0, 0]}, {"pads": [0, 1, 1, 1], "strides": [2, 1]},
     {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
     {"auto_pad": "VALID", "strides": [1, 2]}, {"strides": [2, 2], "ceil_mode": 1},
     {"pads": [1, 0, 1, 0], "strides": [2, 2], "ceil_mode": 1}, {"dilations": [2, 1]}],
    ids=str,
)  # fmt: skip
def test_every_padding_of_an_average(attrs: dict, include: int, zero: int) -> None:
    """2x2 windows have 1, 2 or 4 pixels, so that every quotient is exact and every tie a tie."""
    net = Fixed()
    y = net.node("AveragePool", net.pair("x", 0.125, zero), kernel_shape=[2, 2],
                 count_include_pad=include, **attrs)  # fmt: skip
    equal(net, net.pair(y, 0.25, 1), x=(1, 3, 5, 5))


def test_an_average_is_one_sum_and_one_rounding() -> None:
    net = Fixed()
    y = net.pair(net.node("GlobalAveragePool", net.pair("x", 0.125)), 0.25)
    graph = equal(net, net.node("Flatten", y), x=(1, 3, 4, 2))
    assert [type(n.op) for n in graph.nodes if type(n.op).__name__ != "Reshape"] == [
        SumPool, Threshold,
    ]  # fmt: skip


def test_windows_of_unequal_counts_do_not_disturb_what_follows() -> None:
    """Padding that does not count gives each pixel a divisor of its own."""
    net = Fixed()
    y = net.node("AveragePool", net.pair("x", 0.125, 2), kernel_shape=[2, 2], pads=[1, 1, 1, 1])
    parts = net.const([1, 2], np.int64)
    net.node("Split", net.pair(y, 0.125), parts, axis=1, outputs=2)
    first, second = net.nodes[-1].output
    y = net.node("Conv", second, net.stored((2, 2, 2, 2), 0.5))
    equal(net, [first, y], x=(1, 3, 4, 4))


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum"])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [2], [-1], [1], [1, 2, 3], [1, 3]], ids=str)
def test_reductions(op: str, keep: int, axes: list[int]) -> None:
    net = Fixed()
    x = net.pair("x", 0.125, 1)
    y = net.node(op, x, net.const(axes, np.int64), keepdims=keep)
    equal(net, net.pair(y, 0.5), x=(1, 4, 2, 8))


def test_a_mean_over_tokens() -> None:
    net = Fixed()
    y = net.node("MatMul", net.pair("x", 0.125), net.stored((6, 4), 0.5))
    y = net.node("ReduceMean", net.pair(y, 0.5, 3), net.const([1], np.int64), keepdims=0)
    graph = equal(net, y, x=(1, 8, 6))
    assert {MatMul, SumPool} <= {type(node.op) for node in graph.nodes}


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_maximum_behind_a_negative_scale(sign: float) -> None:
    net = Fixed()
    y = net.node("Conv", net.pair("x", 0.125), net.stored((3, 2, 1, 1), 0.5))
    y = net.node("Mul", y, net.const(np.reshape([1.0, sign, 2.0], (3, 1, 1))))
    y = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    assert MaxPool in {type(node.op) for node in equal(net, y, x=(1, 2, 5, 5)).nodes}


def test_a_maximum_of_codes() -> None:
    net = Fixed()
    y = net.node("MaxPool", net.codes("x", 0.25, 200)[0], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    equal(net, y, x=(1, 2, 4, 4))
