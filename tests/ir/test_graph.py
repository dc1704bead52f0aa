"""Graphs: built front to back, frozen, and met by the host at their ports."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir import Chain, GraphBuilder, Port, TensorType, verify
from hwgen.ops import MatMul, Threshold
from tests.ir.test_serialize import example


def chain_of(builder: GraphBuilder, value: str, *names: str) -> str:
    for name in names:
        value = builder.add(MatMul(np.eye(3)), [value], name=name, origin=(f"/{name}/MatMul",))
    return value


def begin() -> tuple[GraphBuilder, str]:
    builder = GraphBuilder("net")
    port = Port("x", builder.fresh("x"), (3,), np.arange(3))
    return builder, builder.input(TensorType((3,), IntRange(-4, 3)), port)


def test_types_are_inferred_as_nodes_are_added() -> None:
    builder, x = begin()
    y = builder.add(MatMul(np.full((3, 2), 5)), [x], name="fc")
    assert builder.type(y) == TensorType((2,), IntRange(-60, 45))
    z = builder.add(Threshold(np.array([[-60, 0, 45]])), [y], name="act")
    assert builder.type(z) == TensorType((2,), IntRange(1, 3))
    assert [node.name for node in builder.nodes()] == ["fc", "act"]
    assert builder.node_of(z) is not None and builder.node_of(x) is None


def test_names_are_safe_and_unique() -> None:
    builder, x = begin()
    y = chain_of(builder, x, "Layer.0/Conv", "layer_0_conv", "module", "x")
    builder.output(Port("y", y, (3,), np.arange(3)))
    names = [node.name for node in builder.build().nodes]
    assert names[:2] == ["layer_0_conv", "layer_0_conv_2"]
    assert names[2].startswith("module_") and names[3] == "x_2"


def test_what_no_output_needs_is_left_out() -> None:
    builder, x = begin()
    y = chain_of(builder, x, "a", "b")
    chain_of(builder, x, "dead", "deader")
    builder.output(Port("y", y, (3,), np.arange(3)))
    graph = builder.build()
    verify(graph)
    assert [node.name for node in graph.nodes] == ["a", "b"]
    assert set(graph.values) == {x, "a", "b"}


def test_questions_about_edges() -> None:
    builder, x = begin()
    y = chain_of(builder, x, "a")
    left, right = chain_of(builder, y, "b"), chain_of(builder, y, "c")
    for name, value in (("l", left), ("r", right)):
        builder.output(Port(name, value, (3,), np.arange(3)))
    graph = builder.build()
    made = graph.producer(y)
    assert made is not None and (made.name, made.origin) == ("a", ("/a/MatMul",))
    assert graph.producer(x) is None
    assert [node.name for node in graph.consumers(y)] == ["b", "c"]
    assert graph.consumers(left) == []
    assert graph.macs() == 27
    assert graph.input_types(made) == (graph.type(x),)


def test_nothing_can_be_changed() -> None:
    graph = example()
    with pytest.raises(FrozenInstanceError):
        graph.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        graph.values["x"] = graph.values["x"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        graph.nodes[0].output = "x"  # type: ignore[misc]
    (weight,) = (node.op.weight for node in graph.nodes if node.name == "conv")
    with pytest.raises(ValueError, match="read-only"):
        weight[:] = 0


def test_operators_are_equal_by_content() -> None:
    table = np.array([[1, 2], [3, 4]])
    one, same, other = Threshold(table), Threshold(table.copy()), Threshold(table, 1)
    assert one == same and hash(one) == hash(same)
    assert one != other and one != MatMul(table)
    table[:] = 0
    assert one == same, "an operator keeps its own copy"


@given(st.permutations(range(12)), st.integers(0, 2**32 - 1))
def test_ports_carry_every_element_to_its_place(order: list[int], seed: int) -> None:
    """``index`` in any order: to the edge and back again."""
    index = np.array(order).reshape(3, 4)
    type_ = TensorType((2, 2, 3), IntRange(-100, 100))
    port = Port("x", "x", (3, 4), index, Chain())
    frames = np.random.default_rng(seed).integers(-100, 101, (5, 3, 4))
    edge = port.to_edge(frames, type_)
    assert edge.shape == (5, 2, 2, 3) and edge.dtype == np.int64
    for n, *place in np.ndindex(frames.shape):
        assert edge[n].ravel()[index[tuple(place)]] == frames[n, *place]
    np.testing.assert_array_equal(port.from_edge(edge, raw=True), frames)


def test_the_host_quantizes_and_dequantizes() -> None:
    type_ = TensorType((2,), IntRange(-8, 7))
    quantize = Chain().then("quantize", scale=np.float32(0.5), zero=np.float32(0),
                            lo=np.float32(-8), hi=np.float32(7), rounding="ROUND")  # fmt: skip
    port = Port("x", "x", (2,), np.array([1, 0]), quantize)
    edge = port.to_edge(np.array([[0.75, -100]], np.float32), type_)
    assert edge.tolist() == [[-8, 2]], "1.5 goes to the even 2"
    back = Port("y", "y", (2,), np.array([1, 0]), Chain().then("affine", mul=0.5, add=1.0))
    assert back.from_edge(edge).tolist() == [[2.0, -3.0]]
    assert back.from_edge(edge).dtype == np.float32
    assert back.from_edge(edge, raw=True).tolist() == [[2, -8]]
    whole = Port("y", "y", (1,), np.array([0]), dtype="int64")
    assert whole.from_edge(edge).dtype == np.int64
