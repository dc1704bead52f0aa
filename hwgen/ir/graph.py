"""The integer graph as frozen data, and the builder that makes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from hwgen.core.names import Namer
from hwgen.ir.chain import Chain
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Value:
    """An edge: one tensor of integers per frame."""

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Node:
    """An operator at work. ``name`` is a safe identifier; ``origin`` names the source nodes."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    output: str
    origin: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Port:
    """Where the graph meets the model's own input or output: the host's share of the work.

    ``index`` has the model's shape without its batch axis; the model's element at a position is
    element ``index[position]`` of the flattened edge. On an input, ``chain`` turns the model's
    real numbers into the edge's integers; on an output, integers into real numbers. Both run in
    the edge's layout, channels last. ``dtype`` is NumPy's name of the model's element type.
    """

    name: str
    value: str
    shape: tuple[int, ...]
    index: np.ndarray
    chain: Chain = field(default_factory=Chain)
    dtype: str = "float32"

    def to_edge(self, frames: np.ndarray, type: TensorType) -> np.ndarray:  # noqa: A002
        """Model frames ``(N, *shape)`` as integers ``(N, *type.shape)``."""
        flat = np.empty((len(frames), type.size), frames.dtype)
        flat[:, self.index.ravel()] = frames.reshape(len(frames), -1)
        return np.asarray(self.chain(flat.reshape(-1, *type.shape))).astype(np.int64)

    def from_edge(self, values: np.ndarray, *, raw: bool = False) -> np.ndarray:
        """Integers ``(N, *edge)`` as model frames ``(N, *shape)``; ``raw`` leaves them integers."""
        done = values if raw else np.asarray(self.chain(values)).astype(self.dtype)
        flat = done.reshape(len(values), -1)
        return flat[:, self.index.ravel()].reshape(len(values), *self.shape)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order over named values. Passes return new graphs."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    values: Mapping[str, Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def type(self, value: str) -> TensorType:
        return self.values[value].type

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        return tuple(self.type(name) for name in node.inputs)

    def producer(self, value: str) -> Node | None:
        """The node that makes ``value``; None for a graph input."""
        return next((node for node in self.nodes if node.output == value), None)

    def consumers(self, value: str) -> list[Node]:
        return [node for node in self.nodes if value in node.inputs]

    def macs(self) -> int:
        """Multiply-accumulates per frame."""
        return sum(node.op.macs(*self.input_types(node)) for node in self.nodes)


class GraphBuilder:
    """Makes a graph front to back; types are inferred as nodes are added."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._namer = Namer()
        self._values: dict[str, Value] = {}
        self._nodes: list[Node] = []
        self._inputs: list[Port] = []
        self._outputs: list[Port] = []

    def type(self, value: str) -> TensorType:
        return self._values[value].type

    def node_of(self, value: str) -> Node | None:
        return next((node for node in self._nodes if node.output == value), None)

    def input(self, type: TensorType, port: Port) -> str:  # noqa: A002
        """Declare a graph input; ``port.value`` must be a name given by :meth:`fresh`."""
        self._values[port.value] = Value(port.value, type)
        self._inputs.append(port)
        return port.value

    def fresh(self, hint: str) -> str:
        """An unused identifier made from ``hint``."""
        return self._namer(hint)

    def add(self, op: Op, inputs: Iterable[str], *, name: str, origin: Iterable[str] = ()) -> str:
        """Append a node named after ``name`` and return its output value."""
        operands = tuple(inputs)
        unique = self.fresh(name)
        type_ = op.infer(*(self.type(value) for value in operands))
        self._values[unique] = Value(unique, type_)
        self._nodes.append(Node(unique, op, operands, unique, tuple(origin)))
        return unique

    def output(self, port: Port) -> None:
        self._outputs.append(port)

    def nodes(self) -> Iterator[Node]:
        yield from self._nodes

    def build(self) -> Graph:
        """The graph, without nodes that no output needs."""
        needed = {port.value for port in self._outputs}
        kept: list[Node] = []
        for node in reversed(self._nodes):
            if node.output in needed:
                kept.append(node)
                needed.update(node.inputs)
        values = {n: v for n, v in self._values.items() if n in needed}
        for port in self._inputs:
            values[port.value] = self._values[port.value]
        return Graph(
            self.name, tuple(self._inputs), tuple(self._outputs), tuple(reversed(kept)), values
        )
