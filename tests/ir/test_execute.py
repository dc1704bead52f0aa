"""The reference executor: every edge, every frame, whatever the size of a chunk."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from hwgen.core.intrange import IntRange
from hwgen.ir import Graph, TensorType, Value, execute
from hwgen.ir.execute import chunks, run_frames
from tests.ir.test_serialize import example


def frames_of(graph: Graph, count: int) -> np.ndarray:
    type_ = graph.type(graph.inputs[0].value)
    rng = np.random.default_rng(0)
    return rng.integers(type_.range.lo, type_.range.hi + 1, (count, *type_.shape))


def test_each_edge_is_its_operator_applied() -> None:
    graph = example()
    x = frames_of(graph, 5)
    edges = execute(graph, {"x": x}, keep=True)
    assert set(edges) == set(graph.values)
    for node in graph.nodes:
        expected = node.op.reference(*(edges[name] for name in node.inputs))
        np.testing.assert_array_equal(edges[node.output], expected)
    outputs = execute(graph, {"x": x})
    assert set(outputs) == {port.value for port in graph.outputs}
    for name, value in outputs.items():
        np.testing.assert_array_equal(value, edges[name])


def test_frames_do_not_touch_each_other() -> None:
    graph = example()
    x = frames_of(graph, 6)
    together = execute(graph, {"x": x})
    for n in range(6):
        alone = execute(graph, {"x": x[n : n + 1]})
        for name in together:
            np.testing.assert_array_equal(alone[name][0], together[name][n])


def test_integers_outside_their_range_are_a_fault() -> None:
    graph = example()
    x = frames_of(graph, 2)
    x[1, 0, 0, 0] = 8
    with pytest.raises(ValueError, match=r"x holds -?\d+\.\.8, its type says -8\.\.7"):
        execute(graph, {"x": x})
    narrow = dict(graph.values)
    shape = graph.type("conv").shape
    narrow["conv"] = Value("conv", TensorType(shape, IntRange(0, 0)))
    broken = Graph(graph.name, graph.inputs, graph.outputs, graph.nodes, narrow)
    with pytest.raises(ValueError, match=r"conv holds .*, its type says 0\.\.0"):
        execute(broken, {"x": frames_of(graph, 2)})


def test_shapes_must_be_as_stated() -> None:
    graph = example()
    with pytest.raises(ValueError, match="x has shape"):
        execute(graph, {"x": np.zeros((2, 5, 3, 5), np.int64)})


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_chunks_make_no_difference(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = example()
    rng = np.random.default_rng(1)
    frames = {"x": rng.normal(0, 2, (count, 3, 5, 5)).astype(np.float32)}
    whole = run_frames(graph, frames)
    largest = max(value.type.size for value in graph.values.values()) * 8 * 16
    monkeypatch.setattr(sys.modules["hwgen.ir.execute"], "CHUNK_BYTES", 3 * largest)
    sizes = [len(chunk["x"]) for chunk in chunks(graph, frames)]
    assert sum(sizes) == count and max(sizes) <= 3
    for name, value in run_frames(graph, frames).items():
        np.testing.assert_array_equal(value, whole[name])


def test_raw_outputs_are_the_integers() -> None:
    graph = example()
    frames = {"x": np.random.default_rng(2).normal(0, 2, (4, 3, 5, 5)).astype(np.float32)}
    raw, real = run_frames(graph, frames, raw=True), run_frames(graph, frames)
    assert raw["y"].dtype == np.int64 and real["y"].dtype == np.float32
    port = graph.outputs[0]
    affine = replace(port, index=np.arange(port.index.size)).chain
    order = port.index.ravel()
    edge = np.empty_like(raw["y"])
    edge[:, order] = raw["y"]
    np.testing.assert_array_equal(real["y"], np.asarray(affine(edge), np.float32)[:, order])
