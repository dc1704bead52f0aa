"""The one way in which passes make a new graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from hwgen.ir.graph import Graph, Node, Value


def rebuild(graph: Graph, nodes: Iterable[Node], renamed: Mapping[str, str] | None = None) -> Graph:
    """``graph`` with ``nodes`` in place of its own; dead ones dropped, types inferred anew.

    ``renamed`` maps values that no longer exist to those that stand for them.
    """
    final: Callable[[str], str] = lambda name: (renamed or {}).get(name, name)  # noqa: E731
    outputs = tuple(replace(port, value=final(port.value)) for port in graph.outputs)
    needed = {port.value for port in outputs}
    kept: list[Node] = []
    for node in reversed(list(nodes)):
        node = replace(node, inputs=tuple(map(final, node.inputs)))
        if node.output in needed:
            kept.append(node)
            needed.update(node.inputs)
    values = {port.value: graph.values[port.value] for port in graph.inputs}
    for node in reversed(kept):
        types = [values[name].type for name in node.inputs]
        values[node.output] = Value(node.output, node.op.infer(*types))
    return Graph(graph.name, graph.inputs, outputs, tuple(reversed(kept)), values)
