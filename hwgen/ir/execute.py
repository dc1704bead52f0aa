"""The NumPy reference: the meaning of a graph, one line per node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hwgen.ir.graph import Graph

CHUNK_BYTES = 1 << 28  # bounds the memory of one chunk's largest edge


def execute(
    graph: Graph, inputs: Mapping[str, np.ndarray], *, keep: bool = False
) -> dict[str, np.ndarray]:
    """Integer outputs (or, with ``keep``, every edge) for a batch of integer inputs.

    ``inputs`` maps a graph input's value name to int64 ``(N, *shape)``. Every edge is checked
    against its range: an integer outside it is a fault of inference, never tolerated.
    """
    edges = {port.value: np.asarray(inputs[port.value], np.int64) for port in graph.inputs}
    for name, value in edges.items():
        _check(graph, name, value)
    remaining = _last_uses(graph) if not keep else {}
    for node in graph.nodes:
        edges[node.output] = node.op.reference(*(edges[name] for name in node.inputs))
        _check(graph, node.output, edges[node.output])
        for name in remaining.get(node.name, ()):
            del edges[name]
    return edges if keep else {port.value: edges[port.value] for port in graph.outputs}


def run_frames(
    graph: Graph, frames: Mapping[str, np.ndarray], *, raw: bool = False
) -> dict[str, np.ndarray]:
    """Model outputs by name for model inputs by name, both ``(N, ...)``, chunk by chunk."""
    parts: list[dict[str, np.ndarray]] = []
    for chunk in chunks(graph, frames):
        edges = {
            port.value: port.to_edge(chunk[port.name], graph.type(port.value))
            for port in graph.inputs
        }
        result = execute(graph, edges)
        parts.append({p.name: p.from_edge(result[p.value], raw=raw) for p in graph.outputs})
    return {
        port.name: np.concatenate([part[port.name] for part in parts]) for port in graph.outputs
    }


def chunks(graph: Graph, frames: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """``frames`` cut so that no edge of a chunk exceeds a fixed memory."""
    largest = max(value.type.size for value in graph.values.values()) * 8 * 16
    step = max(1, CHUNK_BYTES // largest)
    count = len(next(iter(frames.values())))
    for start in range(0, count, step):
        yield {name: array[start : start + step] for name, array in frames.items()}


def _check(graph: Graph, name: str, value: np.ndarray) -> None:
    expected = graph.type(name)
    if value.shape[1:] != expected.shape:
        raise ValueError(f"{name} has shape {value.shape[1:]}, its type says {expected.shape}")
    if value not in expected.range:
        raise ValueError(
            f"{name} holds {value.min()}..{value.max()}, its type says {expected.range}"
        )


def _last_uses(graph: Graph) -> dict[str, list[str]]:
    """For each node, the values that nothing needs after it."""
    kept = {port.value for port in graph.outputs}
    last = {name: node.name for node in graph.nodes for name in node.inputs if name not in kept}
    free: dict[str, list[str]] = {}
    for value, node in last.items():
        free.setdefault(node, []).append(value)
    return free
