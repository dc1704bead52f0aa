"""The evidence beside a build: it must find what is wrong, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwgen.frontends import source_of
from hwgen.frontends.compare import Comparison, compare, example_frames
from hwgen.frontends.importer import trace
from hwgen.frontends.read import Source
from hwgen.ir.graph import Graph
from hwgen.ops import MatMul, Threshold
from hwgen.passes import run_passes
from tests.frontends.networks import Net, random_network

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")


def three_layers(scale: float = 0.3011) -> Source:
    net = Net(np.random.default_rng(5))
    x = net.quant("x", 0.0513, 8)
    for inputs, outputs in ((20, 16), (16, 12)):
        weight = net.quant(net.const(net.rng.normal(0, 1, (inputs, outputs))), 0.0717, 4)
        x = net.quant(net.node("Relu", net.node("MatMul", x, weight)), scale, 6, signed=False)
    weight = net.quant(net.const(net.rng.normal(0, 1, (12, 5))), 0.1131, 4)
    return source_of(net.model({"x": (1, 20)}, [net.node("MatMul", x, weight)]))


def with_fault(source: Source, kind: type, **fields: object) -> Comparison:
    """The comparison with fields of the second operator of a kind changed."""
    lifting = trace(source)
    _, faulty, *_ = (node for node in lifting.graph.nodes if isinstance(node.op, kind))
    nodes = tuple(
        replace(node, op=replace(node.op, **fields)) if node is faulty else node
        for node in lifting.graph.nodes
    )
    graph = Graph(lifting.graph.name, lifting.graph.inputs, lifting.graph.outputs, nodes,
                  lifting.graph.values)  # fmt: skip
    frames = example_frames(graph, 40)
    return compare(source, replace(lifting, graph=graph), graph, frames)


def test_equal_networks() -> None:
    source = three_layers()
    found = with_fault(source, MatMul)
    assert [row.faults for row in found.rows] == [0, 0, 0]
    assert [row.integers for row in found.rows] == [40 * 20, 40 * 16, 40 * 12]
    assert found.outputs[0].integers_differ == 0


def test_a_shifted_threshold_is_a_fault_and_no_tie() -> None:
    source = three_layers()
    (_, second, *_) = (n.op for n in trace(source).graph.nodes if isinstance(n.op, Threshold))
    table = second.thresholds.copy()
    table += 20
    found = with_fault(source, Threshold, thresholds=table)
    first, middle, last = found.rows
    assert (first.faults, middle.faults) == (0, 0)
    assert last.differ > 0
    assert last.faults == last.differ


def test_a_wrong_weight_is_a_fault_where_it_is() -> None:
    source = three_layers()
    (_, second, *_) = (n.op for n in trace(source).graph.nodes if isinstance(n.op, MatMul))
    weight = second.weight.copy()
    weight[3, 2] += 1
    found = with_fault(source, MatMul, weight=weight)
    first, middle, last = found.rows
    assert (first.faults, middle.faults) == (0, 0)
    assert last.faults == last.differ > 0


def test_a_wrong_last_layer_shows_in_the_outputs() -> None:
    source = three_layers()
    weights = [n.op.weight for n in trace(source).graph.nodes if isinstance(n.op, MatMul)]
    lifting = trace(source)
    nodes = [replace(n, op=MatMul(-weights[2])) if n.op is lifting.graph.nodes[-1].op else n
             for n in lifting.graph.nodes]  # fmt: skip
    graph = replace(lifting.graph, nodes=tuple(nodes))
    found = compare(source, lifting, graph, example_frames(graph, 10))
    assert found.outputs[0].integers_differ > 0


@pytest.mark.parametrize("seed", range(2000, 2020))
def test_ties_are_told_from_faults(seed: int) -> None:
    """Arbitrary scales: whatever differs is a tie, and nothing is by chance called a fault."""
    net = random_network(np.random.default_rng(seed), exact=False)
    source = source_of(net.model)
    lifting = trace(source)
    found = compare(source, lifting, run_passes(lifting.graph), net.frames)
    assert found.plain()["faults"] == 0


def test_a_quantizer_that_changes_nothing_repeats_no_difference() -> None:
    """Behind one that is wrong, a second one of the same scale has an edge of its own in no graph."""
    net = Net(np.random.default_rng(5))
    x = net.quant("x", 0.0513, 8)
    for _ in range(2):
        weight = net.quant(net.const(net.rng.normal(0, 1, (20, 20))), 0.0717, 4)
        x = net.quant(net.node("MatMul", x, weight), 0.3011, 6)
    x = net.quant(net.node("Flatten", x), 0.3011, 6)
    weight = net.quant(net.const(net.rng.normal(0, 1, (20, 5))), 0.1131, 4)
    source = source_of(net.model({"x": (1, 20)}, [net.node("MatMul", x, weight)]))
    (_, second) = (n.op for n in trace(source).graph.nodes if isinstance(n.op, Threshold))
    found = with_fault(source, Threshold, thresholds=second.thresholds + 20)
    assert [row.faults > 0 for row in found.rows] == [False, False, True, False]
    assert found.rows[3].differ == 0
