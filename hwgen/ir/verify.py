"""The executable specification of a well-formed graph, checked before and after every pass."""

from __future__ import annotations

import numpy as np

from hwgen.core.names import identifier
from hwgen.ir.graph import Graph


def verify(graph: Graph) -> None:
    """Assert every invariant of a graph. A failure is a fault of hwgen, not of the user.

    1. inputs and outputs exist and name known values     2. names are unique safe identifiers
    3. every value has one producer                       4. nodes stand in topological order
    5. every node's output type is what its op infers     6. every value is a graph input or made
    7. port indices are permutations (inputs) or in range 8. no dead nodes
    """
    assert graph.outputs, "a graph needs an output"
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names), "node names are not unique"
    known: set[str] = set()
    for port in graph.inputs:
        assert port.value in graph.values, f"input {port.value} has no value"
        assert port.value not in known, f"value {port.value} is produced twice"
        known.add(port.value)
        type_ = graph.type(port.value)
        assert np.array_equal(np.sort(port.index, axis=None), np.arange(type_.size)), (
            f"the index of input {port.value} is no permutation"
        )
    for node in graph.nodes:
        assert node.name == identifier(node.name), f"node name {node.name!r} is not safe"
        for name in node.inputs:
            assert name in known, f"{node.name} reads {name} before it is made"
        assert node.output not in known, f"value {node.output} is produced twice"
        known.add(node.output)
        inferred = node.op.infer(*graph.input_types(node))
        assert graph.type(node.output) == inferred, (
            f"{node.name} makes {inferred}, the graph says {graph.type(node.output)}"
        )
    assert known == set(graph.values), f"values without producer: {set(graph.values) - known}"
    used = {name for node in graph.nodes for name in node.inputs}
    used |= {port.value for port in graph.outputs}
    for port in graph.outputs:
        assert port.value in known, f"output {port.value} is not made"
        size = graph.type(port.value).size
        assert port.index.size and 0 <= port.index.min() <= port.index.max() < size, (
            f"the index of output {port.value} leaves the edge"
        )
    for node in graph.nodes:
        assert node.output in used, f"nothing reads {node.output}"
