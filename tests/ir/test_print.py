"""Printed graphs: stable, complete, and safe whatever the model's names hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.ir.graph import Graph
from hwgen.ir.print import digest, dot, operator, text
from hwgen.ops import Conv, MatMul
from tests.ir.test_serialize import example


def test_text_is_one_line_per_thing_and_stable() -> None:
    graph = example()
    lines = text(graph).splitlines()
    assert len(lines) == 1 + len(graph.inputs) + len(graph.nodes) + len(graph.outputs)
    assert lines[0] == f"graph example net: 5 nodes, {graph.macs()} MACs"
    assert lines[1].startswith('input "x" 3x5x5 float32 [mul(c=2) . quantize(')
    assert lines[2].startswith("%conv = Conv(weight=2x2x3x4 -3..3 #")
    assert lines[2].endswith("# /a/Conv, /a/Relu")
    assert text(example()) == text(graph)


def test_a_changed_constant_changes_the_text() -> None:
    assert text(example(1)) != text(example(0))
    one = np.arange(6).reshape(2, 3)
    assert digest(one) != digest(one.reshape(3, 2))
    assert digest(one) == digest(np.asfortranarray(one))


def test_a_changed_port_changes_the_text() -> None:
    graph = example()
    port = replace(graph.outputs[0], index=graph.outputs[0].index[::-1].copy())
    other = Graph(graph.name, graph.inputs, (port, graph.outputs[1]), graph.nodes, graph.values)
    assert text(other) != text(graph)


def test_operators_show_their_fields() -> None:
    assert operator(MatMul(np.array([[1, -2]]))).startswith("MatMul(weight=1x2 -2..1 #")
    shown = operator(Conv(np.ones((1, 1, 2, 2)), stride=(2, 3), pad_value=4))
    assert "stride=2x3, padding=0x0x0x0, dilation=1x1, pad_value=4" in shown


def test_dot_names_every_edge() -> None:
    graph = example()
    drawing = dot(graph)
    assert drawing.count("->") == sum(len(n.inputs) for n in graph.nodes) + len(graph.outputs)
    assert 'label="3 [0..' in drawing


def test_hostile_names_are_escaped() -> None:
    graph = example()
    port = replace(graph.inputs[0], name='x"];\n\x1b[0m')
    hostile = Graph('a"\n\u202eb', (port,), graph.outputs, graph.nodes, graph.values)
    for shown in (text(hostile), dot(hostile)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert '"];\n\\' not in shown
