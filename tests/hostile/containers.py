"""Files that are no model, models cut short, graphs that are no graph, data that does not fit."""

from __future__ import annotations

import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, helper

from tests.hostile.corpus import add, attribute, change, hazard, mlp, node

add("empty", lambda: b"", "HW102")
add("zeros", lambda: bytes(4096), "HW102")
add("text", lambda: b"#!/bin/sh\nreboot\n" * 50, "HW102")
add("random", lambda: np.random.default_rng(0).bytes(1 << 16), "HW102")
add("zip", lambda: b"PK\x03\x04" + bytes(100), "HW102")
add("pickle", lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.", "HW102")
add("varint_without_end", lambda: b"\x08" + b"\xff" * 100, "HW102")
add("length_beyond_the_end", lambda: b"\x3a\xff\xff\xff\xff\x0f" + bytes(10), "HW102")
add("groups_in_groups", lambda: b"\x0b" * 200_000, "HW102")
add("a_model_twice", lambda: mlp().SerializeToString() * 2, "HW103")
for _part in range(1, 12):
    add(f"cut_{_part:02}", lambda part=_part: _whole()[: len(_whole()) * part // 12], "HW102",
        "HW103")  # fmt: skip


def _whole() -> bytes:
    return mlp().SerializeToString()


@hazard("HW102")
def nested_graphs() -> bytes:
    """Subgraphs in subgraphs, deeper than any parser's stack: written by hand, inside out."""
    data = b""
    for _ in range(5000):
        for field in (b"\x32", b"\x2a", b"\x0a"):  # attribute.g, node.attribute, graph.node
            data = field + _varint(len(data)) + data
    return b"\x08\x08\x3a" + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


# The graph as a whole


@change("HW103")
def dangling(model: ModelProto) -> None:
    node(model, "MatMul").input[0] = "nobody"


@change("HW103")
def cycle(model: ModelProto) -> None:
    node(model, "Quant").input[0] = model.graph.output[0].name


@change("HW103")
def self_loop(model: ModelProto) -> None:
    product = node(model, "MatMul")
    product.input[0] = product.output[0]


@change("HW103")
def output_made_twice(model: ModelProto) -> None:
    model.graph.node.append(model.graph.node[-1])


@change("HW103")
def initializer_twice(model: ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


@change("HW103")
def output_listed_twice(model: ModelProto) -> None:
    model.graph.output.append(model.graph.output[0])


@change("HW103")
def output_of_nobody(model: ModelProto) -> None:
    model.graph.output[0].name = "nobody"


@change("HW103")
def input_twice(model: ModelProto) -> None:
    model.graph.input.append(model.graph.input[0])


@change("HW203")
def output_is_the_input(model: ModelProto) -> None:
    model.graph.output[0].name = "x"


@change("HW202")
def output_is_a_constant(model: ModelProto) -> None:
    model.graph.output[0].name = model.graph.initializer[0].name


@change("HW103")
def no_inputs(model: ModelProto) -> None:
    del model.graph.input[:]


@change("HW102")
def no_outputs(model: ModelProto) -> None:
    del model.graph.output[:]


@change("HW102")
def no_nodes(model: ModelProto) -> None:
    del model.graph.node[:]


@change("HW102")
def no_ir_version(model: ModelProto) -> None:
    model.ClearField("ir_version")


@change()
def ir_version_999(model: ModelProto) -> None:
    model.ir_version = 999


@change("HW103")
def no_opset(model: ModelProto) -> None:
    del model.opset_import[:]


def _opset(version: int) -> ModelProto:
    model = mlp()
    model.opset_import[0].version = version
    return model


for _version in (-1, 0, 1, 6, 999, (1 << 62)):
    add(f"opset_{_version}", lambda version=_version: _opset(version), "HW202")


@change("HW103")
def two_opsets(model: ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx", 7))


@change("HW201")
def unknown_domain(model: ModelProto) -> None:
    node(model, "MatMul").domain = "evil.example"


@change("HW201")
def unknown_operator(model: ModelProto) -> None:
    node(model, "MatMul").op_type = "__import__"


@change("HW202")
def functions(model: ModelProto) -> None:
    inner = [helper.make_node("f", ["a"], ["b"]), helper.make_node("f", ["b"], ["c"])]
    function = helper.make_function("evil", "f", ["a"], ["c"], inner, [])
    model.functions.append(function)


@change("HW202")
def functions_that_double(model: ModelProto) -> None:
    """f0 calls f1 twice, f1 calls f2 twice, ...: 2^64 nodes once they are inlined."""
    for k in range(64):
        calls = [helper.make_node(f"f{k + 1}", ["a"], [f"b{i}"], domain="evil") for i in range(2)]
        calls.append(helper.make_node("Add", ["b0", "b1"], ["c"]))
        model.functions.append(helper.make_function("evil", f"f{k}", ["a"], ["c"], calls, []))


def _with_subgraph(op: str, *names: str) -> ModelProto:
    model = mlp()
    inner = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "inner", [], [])
    model.graph.node.append(helper.make_node(op, ["x"], ["z"], **dict.fromkeys(names, inner)))
    return model


add("if", lambda: _with_subgraph("If", "then_branch", "else_branch"), "HW202")
add("loop", lambda: _with_subgraph("Loop", "body"), "HW202")
add("scan", lambda: _with_subgraph("Scan", "body"), "HW202")


@change("HW202")
def subgraph_under_another_type(model: ModelProto) -> None:
    """An attribute that says it is a number and carries a graph."""
    found = attribute(model, "Quant", "signed")
    found.g.node.append(helper.make_node("Relu", ["a"], ["b"]))


@change()
def sparse_in_training_info(model: ModelProto) -> None:
    """What nobody reads does no harm."""
    model.training_info.add().algorithm.node.append(helper.make_node("If", ["a"], ["b"]))


@change("HW202")
def sparse_constants(model: ModelProto) -> None:
    model.graph.sparse_initializer.add().dims.extend([1 << 40, 1 << 40])


# Attributes


@change("HW103")
def attribute_twice(model: ModelProto) -> None:
    node(model, "Quant").attribute.append(attribute(model, "Quant", "signed"))


@hazard("HW103")
def attribute_of_unknown_type() -> bytes:
    return mlp().SerializeToString().replace(b"\xa0\x01\x02", b"\xa0\x01\x63")  # INT becomes 99


@change("HW103")
def attribute_that_refers(model: ModelProto) -> None:
    attribute(model, "Quant", "signed").ref_attr_name = "outer"


@change("HW103")
def attribute_tensor_without_value(model: ModelProto) -> None:
    attribute(model, "Quant", "signed").type = AttributeProto.TENSOR


@change("HW202")
def attribute_of_wrong_type(model: ModelProto) -> None:
    found = attribute(model, "Quant", "rounding_mode")
    found.Clear()
    found.name, found.type = "rounding_mode", AttributeProto.INTS
    found.ints.extend([1, 2])


@change("HW202")
def attribute_of_no_text(model: ModelProto) -> None:
    attribute(model, "Quant", "rounding_mode").s = b"\xff\xfe\0\n"


@change("HW106")
def attribute_without_end(model: ModelProto) -> None:
    attribute(model, "Quant", "rounding_mode").s = b"R" * (2 << 20)


@change("HW103")
def attribute_tensor_too_short(model: ModelProto) -> None:
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    value.dims[0] = 1 << 40
    model.graph.node.append(helper.make_node("Constant", [], ["k"], value=value))
