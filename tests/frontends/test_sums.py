"""Residual sums and products: every pair of integers, whatever the scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hwgen.frontends import lift, run_source, source_of
from hwgen.frontends.sums import multipliers, staircase_of
from hwgen.ir.execute import execute
from hwgen.ir.graph import Graph
from hwgen.ops import Add, Lookup, Mul, Threshold
from tests.frontends.fixed import Fixed, equal, refusal
from tests.frontends.networks import Net

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")


def residual(net: Net, scales: Sequence[float], zeros: tuple[int, int, int],
             op: str = "Add") -> str:  # fmt: skip
    """Two model inputs of codes, their sum, its codes."""
    kind = ("int8", "uint8")
    given = [[net.const(s), net.const(z, kind[i % 2])] for i, (s, z)
             in enumerate(zip(scales, zeros, strict=True))]  # fmt: skip
    a, b = (net.node("DequantizeLinear", name, *p) for name, p in zip("xy", given, strict=False))
    return net.node("QuantizeLinear", net.node(op, a, b), *given[2])


def every_pair(graph: Graph) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The graph's integers for all 65 536 pairs of codes, and the pairs as model inputs."""
    a, b = (v.ravel() for v in np.meshgrid(np.arange(-128, 128), np.arange(256), indexing="ij"))
    edges = {p.value: (a if p.name == "x" else b)[:, None] for p in graph.inputs}
    (codes,) = execute(graph, edges).values()
    return codes, {"x": a[:, None].astype(np.int8), "y": b[:, None].astype(np.uint8)}


@pytest.mark.parametrize("op", ["Add", "Sub"])
@pytest.mark.parametrize("seed", range(6))
def test_scales_without_an_integer_ratio(seed: int, op: str) -> None:
    """All 65 536 pairs: the same code as onnxruntime's float32, ties and all."""
    rng = np.random.default_rng(seed)
    scales = [float(np.float32(s)) for s in rng.uniform(0.003, 0.1, 3)]
    zeros = (int(rng.integers(-128, 128)), int(rng.integers(0, 256)), int(rng.integers(-40, 40)))
    net = Fixed()
    source = source_of(net.model({"x": ("int8", (1, 1)), "y": ("uint8", (1, 1))},
                                 [name := residual(net, scales, zeros, op)]))  # fmt: skip
    graph = lift(source)
    codes, frames = every_pair(graph)
    theirs = run_source(source, frames)[name]
    assert isinstance(graph.nodes[0].op, Add)
    np.testing.assert_array_equal(codes, theirs)


def test_multipliers_are_the_smallest_that_order_every_pair() -> None:
    q1, q2 = np.arange(-8, 8)[:, None], np.arange(16)[None]
    codes = np.floor((3 * q1 + 2 * q2) / 5)[..., None].astype(np.int64)
    found = multipliers(codes)
    assert found is not None
    sums = found[0] * q1 + found[1] * q2
    op = staircase_of(codes, sums)
    np.testing.assert_array_equal(op.reference(sums[..., None]), codes)
    assert max(found) <= 3


def test_no_multipliers_for_what_is_no_staircase() -> None:
    q1, q2 = np.arange(4)[:, None], np.arange(4)[None]
    assert multipliers(((q1 * q2) % 3)[..., None]) is None


def test_a_sum_of_products_of_equal_scales_needs_no_quantizer() -> None:
    net = Fixed()
    a = net.node("MatMul", net.pair("x", 0.25, 3), net.stored((6, 4), 0.5))
    b = net.node("MatMul", net.pair("y", 0.5), net.stored((5, 4), 1.0))
    graph = equal(net, net.node("Relu", net.node("Add", a, b)), x=(1, 6), y=(1, 5))
    (node,) = [node for node in graph.nodes if isinstance(node.op, Add)]
    assert node.op.multipliers == (1, 4)  # type: ignore[attr-defined]


def test_scales_that_no_integers_relate_and_no_quantizer_are_refused() -> None:
    net = Fixed()
    y = net.node("Add", net.pair("x", 0.1), net.pair("y", 0.0317))
    (problem,) = refusal(net, net.node("MatMul", y, net.const(np.eye(4))), x=(1, 4), y=(1, 4))
    assert problem.code == "HW202" and "quantize the sum" in problem.help


@pytest.mark.parametrize("activation", ["silu", "gelu", "hard_swish"])
def test_an_activation_written_out_behind_a_sum(activation: str) -> None:
    """Both of its readers meet one and the same sum."""
    net = Fixed()
    x = net.node("Add", net.pair("x", 0.25), net.pair("y", 0.5))
    if activation == "silu":
        y = net.node("Mul", x, net.node("Sigmoid", x))
    elif activation == "gelu":
        y = net.node("Add", net.node("Erf", net.node("Div", x, net.const(2**0.5))), net.const(1.0))
        y = net.node("Mul", net.node("Mul", x, y), net.const(0.5))
    else:
        y = net.node("Mul", x, net.node("HardSigmoid", x, alpha=0.25, beta=0.5))
    graph = equal(net, net.pair(y, 0.1), x=(1, 6), y=(1, 6))
    kinds = [type(node.op) for node in graph.nodes]
    assert (kinds.count(Add), kinds.count(Mul), kinds.count(Lookup)) == (1, 0, 1)


def test_a_function_that_turns_over_a_wide_sum() -> None:
    """A Threshold finds the run of equal values, a Lookup the value."""
    net = Fixed()
    y = net.node("MatMul", net.pair("x", 2.0**-4), net.stored((6, 3), 2.0**-6, bound=127))
    graph = equal(net, net.pair(net.node("HardSwish", y), 0.013), x=(1, 6))
    assert [type(node.op) for node in graph.nodes][-2:] == [Threshold, Lookup]


@pytest.mark.parametrize("zeros", [(0, 0), (5, -3)])
@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 3, 1, 1), (1, 1, 4, 4)])
def test_products(shape: tuple[int, ...], zeros: tuple[int, int]) -> None:
    net = Fixed()
    y = net.node("Mul", net.pair("x", 0.125, zeros[0]), net.pair("y", 0.25, zeros[1]))
    graph = equal(net, net.pair(y, 0.5, 1), x=(1, 3, 4, 4), y=shape)
    assert Mul in {type(node.op) for node in graph.nodes}


def test_a_tensor_times_itself() -> None:
    net = Fixed()
    x = net.pair("x", 0.25, 2)
    y = net.node("Mul", net.node("MatMul", x, net.const(np.eye(6))), x)
    equal(net, net.pair(y, 0.5), x=(1, 6))
