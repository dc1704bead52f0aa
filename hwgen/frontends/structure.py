"""How many, how long and of what kind: what is checked before anything in a model is looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from onnx import AttributeProto, ModelProto, NodeProto

from hwgen.core.errors import fail, printable
from hwgen.core.limits import Limits
from hwgen.frontends.tensors import tensors_of, where

# The field in which an attribute of each type keeps its value, or its list of values.
_FIELD = {
    AttributeProto.FLOAT: "f", AttributeProto.INT: "i", AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t", AttributeProto.FLOATS: "floats", AttributeProto.INTS: "ints",
    AttributeProto.STRINGS: "strings", AttributeProto.TENSORS: "tensors",
}  # fmt: skip


def check_structure(model: ModelProto, name: str, limits: Limits) -> None:
    """Counts and lengths within ``limits``, no functions, no subgraphs, attributes of one kind.

    Raises HwgenError: HW106, HW202 for what is ONNX but needs an interpreter, HW103 for what is
    not. Nothing here recurses, and nothing takes longer than one look at every field.
    """
    graph = model.graph
    for what, count in (
        ("nodes", len(graph.node)), ("inputs", len(graph.input)), ("outputs", len(graph.output)),
        ("constants", len(graph.initializer)), ("opsets", len(model.opset_import)),
    ):  # fmt: skip
        limits.check("nodes", count, where=name, of=what)
    for text in _texts(model):
        if not isinstance(text, str):  # protobuf hands out what is no UTF-8 as bytes
            fail("HW103", where=name, why=f"the name {text[:40]!r} is no UTF-8")
        if len(text) > limits.name // 4:  # a character takes at most four bytes
            limits.check("name", len(text.encode("utf-8", "surrogatepass")), where=name,
                         of=f"bytes in the name `{printable(text, 40)}`")  # fmt: skip
    if model.functions:
        fail("HW202", where=name, why="the model defines functions of its own",
             help="inline them (onnx.inliner) and try again")  # fmt: skip
    if graph.sparse_initializer:
        fail("HW202", where=name, why="the model has sparse constants", help="make them dense")
    for node in graph.node:
        _check_node(node, name, limits)


def _check_node(node: NodeProto, name: str, limits: Limits) -> None:
    at = where(node, name)
    limits.check("nodes", len(node.input) + len(node.output), where=at, of="inputs and outputs")
    for attribute, count in Counter(a.name for a in node.attribute).items():
        if count > 1:
            why = f"it has the attribute {printable(attribute, 40)} {count} times"
            fail("HW103", where=at, why=why)
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs:
            fail("HW202", where=at, why="the node holds a subgraph",
                 help="export without control flow")  # fmt: skip
        what = f"attribute {printable(attribute.name, 40)}"
        field = _FIELD.get(attribute.type)
        if field is None or attribute.ref_attr_name:
            fail("HW103", where=at, why=f"its {what} is of a kind that a model cannot use")
        if field == "t" and not attribute.HasField(field):
            fail("HW103", where=at, why=f"its {what} has no value")
        if field in ("s", "floats", "ints", "strings"):
            value = getattr(attribute, field)
            size = sum(map(len, value)) + len(value) if field == "strings" else len(value)
            limits.check("attribute", size, where=at, of=f"bytes or numbers in its {what}")


def _texts(model: ModelProto) -> Iterator[str | bytes]:
    """Every text of the model that anything reads."""
    graph = model.graph
    yield from (entry.domain for entry in model.opset_import)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    yield from (tensor.name for tensor in graph.initializer)
    for _, tensor in tensors_of(model):
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
