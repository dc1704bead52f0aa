"""Saving and loading: the same graph, the same bytes, and damage that is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.ir.chain import Chain
from hwgen.ir.execute import run_frames
from hwgen.ir.graph import Graph, GraphBuilder, Port
from hwgen.ir.print import text
from hwgen.ir.serialize import load, save
from hwgen.ir.types import TensorType
from hwgen.ops import Conv, MaxPool, Reshape, Threshold, TopK


def example(seed: int = 0) -> Graph:
    """Every kind of field: arrays, pairs, fours, numbers; chains of numbers, vectors and words."""
    rng = np.random.default_rng(seed)
    builder = GraphBuilder("example net")
    value = builder.fresh("x")
    quantize = Chain().then("mul", c=np.float32(2)).then(
        "quantize", scale=np.float32(0.5), zero=np.float32(0), lo=np.float32(-8),
        hi=np.float32(np.inf), rounding="FLOOR",
    ).then("clip", lo=np.float32(-8), hi=np.float32(7))  # fmt: skip
    index = np.arange(75).reshape(5, 5, 3).transpose(2, 0, 1)
    builder.input(TensorType((5, 5, 3), IntRange(-8, 7)), Port("x", value, (3, 5, 5),
                  np.argsort(index.ravel()).reshape(3, 5, 5), quantize))  # fmt: skip
    y = builder.add(Conv(rng.integers(-3, 4, (2, 2, 3, 4)), (2, 1), (1, 0, 1, 0), (1, 2), 1),
                    [value], name="conv", origin=("/a/Conv", "/a/Relu"))  # fmt: skip
    y = builder.add(Threshold(np.sort(rng.integers(-50, 50, (4, 7)), 1), -2, [0, 1, 0, 1]),
                    [y], name="act")  # fmt: skip
    y = builder.add(MaxPool((2, 2), (1, 1)), [y], name="pool")
    size = builder.type(y).size
    flat = builder.add(Reshape((size,)), [y], name="flat")
    builder.output(Port("y", flat, (size,), np.arange(size)[::-1].copy(),
                        Chain().then("affine", mul=rng.normal(size=size), add=0.5)))  # fmt: skip
    top = builder.add(TopK(3), [flat], name="top")
    builder.output(Port("top", top, (3,), np.arange(3), dtype="int64"))
    return builder.build()


def test_a_loaded_graph_is_the_graph(tmp_path: Path) -> None:
    graph = example()
    save(graph, tmp_path / "g")
    again = load(tmp_path / "g")
    assert text(again) == text(graph)
    assert [n.op for n in again.nodes] == [n.op for n in graph.nodes]
    assert [n.origin for n in again.nodes] == [n.origin for n in graph.nodes]
    frames = {"x": np.random.default_rng(1).normal(0, 2, (9, 3, 5, 5)).astype(np.float32)}
    ours, theirs = run_frames(again, frames), run_frames(graph, frames)
    for name in ("y", "top"):
        assert np.array_equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype


def test_equal_graphs_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(example(), tmp_path / name)
    for file in ("graph.json", "arrays.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    save(example(1), tmp_path / "c")
    assert (tmp_path / "a/arrays.npz").read_bytes() != (tmp_path / "c/arrays.npz").read_bytes()


def test_damage_is_noticed(tmp_path: Path) -> None:
    def refused(folder: Path) -> bool:
        with pytest.raises(HwgenError) as caught:
            load(folder)
        return caught.value.problems[0].code == "HW113"

    assert refused(tmp_path / "nowhere")
    for field, value in (("version", 99), ("format", "other"), ("nodes", []), ("values", {})):
        save(example(), tmp_path / "g")
        document = json.loads((tmp_path / "g/graph.json").read_text())
        document[field] = value
        (tmp_path / "g/graph.json").write_text(json.dumps(document))
        assert refused(tmp_path / "g"), field
    save(example(), tmp_path / "g")
    document = json.loads((tmp_path / "g/graph.json").read_text())
    document["values"]["conv"]["range"] = [0, 1]
    (tmp_path / "g/graph.json").write_text(json.dumps(document))
    assert refused(tmp_path / "g")
    save(example(), tmp_path / "g")
    data = (tmp_path / "g/arrays.npz").read_bytes()
    (tmp_path / "g/arrays.npz").write_bytes(data[: len(data) // 2])
    assert refused(tmp_path / "g")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    save(example(), tmp_path / "g")
    np.savez(tmp_path / "g/arrays.npz", a0=np.array([{"x": 1}], dtype=object))
    with pytest.raises(HwgenError):
        load(tmp_path / "g")
