"""A graph as two files: ``graph.json``, readable, and ``arrays.npz``. No pickle, no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.core.errors import fail
from hwgen.core.intrange import IntRange
from hwgen.ir.chain import Chain, Step
from hwgen.ir.graph import Graph, Node, Port, Value
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.ir.verify import verify

FORMAT, VERSION = "hwgen-graph", 1


def save(graph: Graph, folder: str | Path, *, compressed: bool = True) -> None:
    """Write ``graph.json`` and ``arrays.npz`` into ``folder``. Equal graphs give equal bytes."""
    arrays: dict[str, np.ndarray] = {}

    def pack(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            key = f"a{len(arrays)}"
            arrays[key] = value
            return {"array": key}
        if isinstance(value, Chain):
            return {"chain": pack_chain(value)}
        return list(value) if isinstance(value, tuple) else value

    def pack_chain(chain: Chain) -> list[dict[str, Any]]:
        return [
            {"kind": step.kind, "args": {name: pack(arg) for name, arg in step.args.items()}}
            for step in chain.steps
        ]

    def pack_port(port: Port) -> dict[str, Any]:
        return {
            "name": port.name, "value": port.value, "shape": list(port.shape),
            "index": pack(port.index), "chain": pack_chain(port.chain), "dtype": port.dtype,
        }  # fmt: skip

    document = {
        "format": FORMAT, "version": VERSION, "name": graph.name,
        "inputs": [pack_port(port) for port in graph.inputs],
        "outputs": [pack_port(port) for port in graph.outputs],
        "nodes": [
            {
                "name": node.name, "op": type(node.op).__name__,
                "fields": {name: pack(value) for name, value in node.op.fields().items()},
                "inputs": list(node.inputs), "output": node.output, "origin": list(node.origin),
            }
            for node in graph.nodes
        ],
        "values": {
            name: {"shape": list(v.type.shape), "range": [v.type.range.lo, v.type.range.hi]}
            for name, v in graph.values.items()
        },
    }  # fmt: skip
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "graph.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    write = np.savez_compressed if compressed else np.savez
    write(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]


def load(folder: str | Path) -> Graph:
    """The graph that :func:`save` wrote; HW113 where the folder holds none or a damaged one.

    Operators are found by name in ``Op.registry``: import ``hwgen.ops`` first.
    """
    folder = Path(folder)
    try:
        document = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
        with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"format {document['format']} version {document['version']}")
        graph = _unpack(document, arrays)
        verify(graph)
    except (
        Exception
    ) as error:  # a damaged archive fails in many ways, all of them the same to a user
        why = f"{type(error).__name__}: {error}"
        fail("HW113", where=str(folder), why=why, help="build the model again")
    return graph


def _unpack(document: dict[str, Any], arrays: dict[str, np.ndarray]) -> Graph:
    def unpack(value: Any) -> Any:
        if isinstance(value, dict) and "chain" in value:
            return chain(value["chain"])
        if isinstance(value, dict):
            array = arrays[value["array"]]
            array.flags.writeable = False
            return array
        return tuple(value) if isinstance(value, list) else value

    def chain(steps: list[dict[str, Any]]) -> Chain:
        return Chain(tuple(
            Step(step["kind"], {name: unpack(arg) for name, arg in step["args"].items()})
            for step in steps
        ))  # fmt: skip

    def port(entry: dict[str, Any]) -> Port:
        shape, index = tuple(entry["shape"]), unpack(entry["index"])
        return Port(
            entry["name"], entry["value"], shape, index, chain(entry["chain"]), entry["dtype"]
        )

    nodes = [
        Node(
            entry["name"],
            Op.registry[entry["op"]](**{k: unpack(v) for k, v in entry["fields"].items()}),
            tuple(entry["inputs"]), entry["output"], tuple(entry["origin"]),
        )
        for entry in document["nodes"]
    ]  # fmt: skip
    values = {
        name: Value(name, TensorType(tuple(entry["shape"]), IntRange(*entry["range"])))
        for name, entry in document["values"].items()
    }
    inputs, outputs = (tuple(map(port, document[side])) for side in ("inputs", "outputs"))
    return Graph(document["name"], inputs, outputs, tuple(nodes), values)
