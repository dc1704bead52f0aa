"""A reshape of a reshape is one; a reshape to the same shape is none."""

from __future__ import annotations

from dataclasses import replace

from hwgen.ir.graph import Graph, Node
from hwgen.ops.reshape import Reshape
from hwgen.passes.rebuild import rebuild


def merge_reshapes(graph: Graph) -> Graph:
    """``graph`` without reshapes that another one, or nothing, can stand for."""
    origin: dict[str, str] = {}  # output of a reshape -> the value at the head of its chain
    renamed: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node.op, Reshape):
            source = renamed.get(node.inputs[0], node.inputs[0])
            source = origin.get(source, source)
            origin[node.output] = source
            if graph.type(source).shape == node.op.shape:
                renamed[node.output] = source
                continue
            node = replace(node, inputs=(source,))
        nodes.append(node)
    return rebuild(graph, nodes, renamed)
