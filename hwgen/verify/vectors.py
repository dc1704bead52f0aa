"""Frames and the integers that must come out of them, stored beside the Verilog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hwgen.ir.execute import execute
from hwgen.ir.graph import Graph
from hwgen.ir.types import TensorType

EDGE_BYTES = 1 << 26  # what the stored edges of the first frames may take
CHUNK_ELEMENTS = 1 << 22  # of the largest edge, executed at once


def make_frames(type_: TensorType, count: int, rng: np.random.Generator) -> np.ndarray:
    """``(count, *shape)`` int64: all lowest, all highest, alternating, then random integers.

    The corners take no more than half of the frames.
    """
    lo, hi = type_.range.lo, type_.range.hi
    frames = rng.integers(lo, hi, (count, *type_.shape), np.int64, endpoint=True)
    parity = np.indices(type_.shape).sum(axis=0) % 2
    corners = [
        np.full(type_.shape, lo),
        np.full(type_.shape, hi),
        np.where(parity, lo, hi),
        np.where(parity, hi, lo),
    ]
    for frame, corner in zip(range(count // 2), corners, strict=False):
        frames[1 + 2 * frame] = corner  # random frames between, so that both orders occur
    return frames


def write_vectors(
    folder: Path,
    graph: Graph,
    frames: Mapping[str, np.ndarray] | None = None,
    count: int = 16,
    seed: int = 1,
) -> Path:
    """Write ``folder/sim/vectors.npz`` and return its path.

    ``frames`` maps the value of each input to integers ``(N, *shape)``; None makes ``count``
    frames. Stored are ``input:<value>``, ``output:<value>``, and ``edge:<value>`` of every node's
    output for the first frames, as many as fit a fixed size.
    """
    rng = np.random.default_rng(seed)
    if frames is None:
        frames = {
            port.value: make_frames(graph.type(port.value), count, rng) for port in graph.inputs
        }
    total = len(next(iter(frames.values())))
    known = max(1, EDGE_BYTES // (8 * sum(value.type.size for value in graph.values.values())))
    known = min(known, total)
    arrays = {f"input:{name}": np.asarray(value, np.int64) for name, value in frames.items()}
    edges = execute(graph, _cut(frames, 0, known), keep=True)
    arrays |= {f"edge:{node.output}": edges[node.output] for node in graph.nodes}
    largest = max(value.type.size for value in graph.values.values())
    step = max(1, CHUNK_ELEMENTS // largest)
    parts = [execute(graph, _cut(frames, at, at + step)) for at in range(0, total, step)]
    for port in graph.outputs:
        arrays[f"output:{port.value}"] = np.concatenate([part[port.value] for part in parts])
    path = folder / "sim" / "vectors.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{key: _narrow(value) for key, value in arrays.items()})  # type: ignore[arg-type]
    return path


def _cut(frames: Mapping[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
    return {name: np.asarray(array)[start:stop] for name, array in frames.items()}


def _narrow(array: np.ndarray) -> np.ndarray:
    """The same integers in the smallest signed type that holds them."""
    for dtype in (np.int8, np.int16, np.int32):
        if np.iinfo(dtype).min <= array.min() <= array.max() <= np.iinfo(dtype).max:
            return array.astype(dtype)
    return array
