"""A graph for the eye: stable text, one line per node, and a drawing for Graphviz."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from hwgen.core.errors import printable
from hwgen.core.intrange import IntRange
from hwgen.ir.graph import Graph, Node, Port
from hwgen.ir.op import Op


def text(graph: Graph) -> str:
    """The same graph always gives the same text; a changed constant changes a digest in it."""
    lines = [f"graph {printable(graph.name)}: {len(graph.nodes)} nodes, {graph.macs()} MACs"]
    lines += [f"input {_port(port)} -> %{port.value}: {graph.type(port.value)}"
              for port in graph.inputs]  # fmt: skip
    lines += [_node(graph, node) for node in graph.nodes]
    lines += [f"output %{port.value} -> {_port(port)}" for port in graph.outputs]
    return "\n".join(lines) + "\n"


def dot(graph: Graph) -> str:
    """Source for Graphviz: nodes with their operator, edges with their type."""
    lines = [f'digraph "{_quoted(graph.name)}" {{', "  node [shape=box];"]
    for side, ports in (("in", graph.inputs), ("out", graph.outputs)):
        for i, port in enumerate(ports):
            lines.append(f'  {side}{i} [label="{_quoted(port.name)}", shape=ellipse];')
    makers = {port.value: f"in{i}" for i, port in enumerate(graph.inputs)}
    for node in graph.nodes:
        lines.append(f'  "{node.name}" [label="{node.name}\\n{type(node.op).__name__}"];')
        makers[node.output] = f'"{node.name}"'
    edges = [(name, f'"{node.name}"') for node in graph.nodes for name in node.inputs]
    edges += [(port.value, f"out{i}") for i, port in enumerate(graph.outputs)]
    for value, reader in edges:
        lines.append(f'  {makers[value]} -> {reader} [label="{graph.type(value)}"];')
    return "\n".join([*lines, "}"]) + "\n"


def operator(op: Op) -> str:
    """``Conv(weight=3x3x8x16 -7..7 #1a2b3c4d, stride=2x2)``: arrays by shape, range and digest."""
    fields = ", ".join(f"{name}={_shown(value)}" for name, value in op.fields().items())
    return f"{type(op).__name__}({fields})"


def digest(array: np.ndarray) -> str:
    """Eight hexadecimal digits of an array's shape and content."""
    data = f"{array.shape}{array.dtype.str}".encode() + np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(data).hexdigest()[:8]


def _node(graph: Graph, node: Node) -> str:
    operands = ", ".join(f"%{name}" for name in node.inputs)
    origin = f"  # {printable(', '.join(node.origin))}" if node.origin else ""
    type_ = graph.type(node.output)
    return f"%{node.output} = {operator(node.op)} {operands}: {type_}{origin}"


def _port(port: Port) -> str:
    shape = "x".join(map(str, port.shape))
    arrays = [port.index, *port.chain.arrays()]
    whole = digest(np.frombuffer("".join(map(digest, arrays)).encode(), np.uint8))
    return f'"{_quoted(port.name)}" {shape} {port.dtype} [{port.chain}] #{whole}'


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        shape = "x".join(map(str, value.shape))
        inside = f" {IntRange.of_array(value)}" if value.size else ""
        return f"{shape}{inside} #{digest(value)}"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _quoted(name: str) -> str:
    return printable(name).replace("\\", "\\\\").replace('"', '\\"')
