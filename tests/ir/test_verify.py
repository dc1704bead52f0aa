"""Every rule of a well-formed graph, broken once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hwgen.core.intrange import IntRange
from hwgen.ir import Graph, Node, TensorType, Value, verify
from hwgen.ops import TopK
from tests.ir.test_serialize import example


def rebuilt(graph: Graph, **changes: Any) -> Graph:
    parts = {
        "name": graph.name, "inputs": graph.inputs, "outputs": graph.outputs,
        "nodes": graph.nodes, "values": dict(graph.values),
    }  # fmt: skip
    return Graph(**{**parts, **changes})


def with_node(graph: Graph, changed: str, **changes: Any) -> Graph:
    nodes = tuple(replace(n, **changes) if n.name == changed else n for n in graph.nodes)
    return rebuilt(graph, nodes=nodes)


def with_port(graph: Graph, side: str, **changes: Any) -> Graph:
    first, *rest = getattr(graph, side)
    return rebuilt(graph, **{side: (replace(first, **changes), *rest)})


def with_type(graph: Graph, value: str, type_: TensorType) -> Graph:
    return rebuilt(graph, values={**graph.values, value: Value(value, type_)})


def swapped(graph: Graph) -> Graph:
    first, second, *rest = graph.nodes
    return rebuilt(graph, nodes=(second, first, *rest))


def with_dead_node(graph: Graph) -> Graph:
    dead = Node("dead", TopK(1), ("flat",), "dead")
    type_ = TopK(1).infer(graph.type("flat"))
    return rebuilt(
        graph, nodes=(*graph.nodes, dead), values={**graph.values, "dead": Value("dead", type_)}
    )


def wider(type_: TensorType) -> TensorType:
    return TensorType(type_.shape, type_.range | IntRange(-10_000, 10_000))


BROKEN: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "no outputs": (lambda g: rebuilt(g, outputs=()), "needs an output"),
    "an unknown input value": (lambda g: with_port(g, "inputs", value="ghost"), "has no value"),
    "an input twice": (lambda g: rebuilt(g, inputs=g.inputs * 2), "x is produced twice"),
    "an index that repeats": (
        lambda g: with_port(g, "inputs", index=np.zeros((3, 5, 5), int)), "no permutation"),
    "an index that leaves out": (
        lambda g: with_port(g, "inputs", index=np.arange(74)), "no permutation"),
    "an unknown output value": (
        lambda g: with_port(g, "outputs", value="ghost"), "ghost is not made"),
    "an output index too high": (
        lambda g: with_port(g, "outputs", index=np.array([99])), "leaves the edge"),
    "an output index below": (
        lambda g: with_port(g, "outputs", index=np.array([-1])), "leaves the edge"),
    "an empty output": (
        lambda g: with_port(g, "outputs", index=np.array([], int)), "leaves the edge"),
    "two nodes of a name": (lambda g: with_node(g, "act", name="conv"), "not unique"),
    "a name that is none": (lambda g: with_node(g, "act", name="a b"), "is not safe"),
    "a reserved name": (lambda g: with_node(g, "act", name="module"), "is not safe"),
    "a value made twice": (lambda g: with_node(g, "act", output="conv"), "conv is produced twice"),
    "a node that makes an input": (lambda g: with_node(g, "conv", output="x"), "produced twice"),
    "an order that is none": (swapped, "reads conv before it is made"),
    "an unknown operand": (
        lambda g: with_node(g, "conv", inputs=("ghost",)), "reads ghost before it is made"),
    "a range too wide": (
        lambda g: with_type(g, "conv", wider(g.type("conv"))), "conv makes .*, the graph says"),
    "a range too narrow": (
        lambda g: with_type(g, "conv", TensorType(g.type("conv").shape, IntRange(0, 0))),
        "conv makes .*, the graph says"),
    "another shape": (
        lambda g: with_type(g, "flat", TensorType((2, 2), g.type("flat").range)),
        "flat makes .*, the graph says"),
    "a value that nothing makes": (
        lambda g: with_type(g, "ghost", TensorType((1,), IntRange(0, 1))),
        "values without producer: {'ghost'}"),
    "a dead node": (with_dead_node, "nothing reads dead"),
}  # fmt: skip


def test_a_sound_graph_passes() -> None:
    verify(example())


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_is_checked(rule: str) -> None:
    damage, words = BROKEN[rule]
    with pytest.raises(AssertionError, match=words):
        verify(damage(example()))
