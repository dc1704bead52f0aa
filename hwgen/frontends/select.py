"""One output of a model that has several, as a model of its own."""

from __future__ import annotations

from onnx import ModelProto

from hwgen.core.errors import did_you_mean, fail
from hwgen.frontends.read import Source, source_of


def select_output(source: Source, output: str) -> Source:
    """``source`` with nothing but ``output`` and what it is made from.

    Inputs and constants that nobody reads then are left out. Raises HW110 for an unknown output.
    """
    if output not in source.outputs:
        fail("HW110", where="--output-name", why=f"{source.name} has no output {output}",
             help=f"{did_you_mean(output, source.outputs)}it has {', '.join(source.outputs)}")  # fmt: skip
    needed, kept = {output}, []
    for node in reversed(source.nodes):
        if needed.intersection(node.output):
            needed.update(name for name in node.input if name)
            kept.append(node)
    model = ModelProto()
    model.CopyFrom(source.model)
    graph = model.graph
    del graph.node[:]
    graph.node.extend(reversed(kept))
    inputs = [value for value in graph.input if value.name in needed]
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.input[:], graph.initializer[:]
    graph.input.extend(inputs)
    graph.initializer.extend(constants)
    (only,) = [value for value in graph.output if value.name == output]
    del graph.output[:], graph.value_info[:]
    graph.output.append(only)
    return source_of(model, name=source.name, path=source.path, limits=source.limits)
