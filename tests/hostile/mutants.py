"""Real models with random damage: to their bytes, to their fields, to their graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto

from hwgen.frontends.call import HANDLERS

Random = np.random.Generator
INTEGERS = [0, 1, -1, 2, 3, 7, 16, 127, 255, 1 << 16, 1 << 20, 1 << 31, 1 << 40, 1 << 62,
            (1 << 63) - 1, -(1 << 63)]  # fmt: skip
REALS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-42, 1e38, float("nan"), float("inf"), float("-inf")]
TEXTS = [
    "", "x", "Relu", "Quant", "MatMul", "Conv", "Reshape", "Concat", "Flatten", "MaxPool", "TopK",
    "Transpose", "ConstantOfShape", "Expand", "../x", "a\nb", "\x00", "\u202e",
]  # fmt: skip


def flipped(data: bytes, _: bytes, rng: Random) -> bytes:
    """A few bytes changed, mostly outside of the weights, where they mean the most."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        near_an_end = rng.random() < 0.5
        place = int(rng.integers(min(len(out), 2000)))
        at = place if near_an_end and rng.random() < 0.5 else -1 - place
        out[at if near_an_end else rng.integers(len(out))] = rng.integers(256)
    return bytes(out)


def cut(data: bytes, _: bytes, rng: Random) -> bytes:
    return data[: rng.integers(len(data))]


def spliced(data: bytes, other: bytes, rng: Random) -> bytes:
    """The begin of one model, the end of another."""
    return data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]


def moved(data: bytes, _: bytes, rng: Random) -> bytes:
    """A stretch left out, doubled, or put elsewhere."""
    begin, length, to = rng.integers(len(data)), 1 << rng.integers(10), rng.integers(len(data))
    part, rest = data[begin : begin + length], data[:begin] + data[begin + length :]
    kind = rng.integers(3)
    if kind == 0:
        return rest
    return (data if kind == 1 else rest)[:to] + part + (data if kind == 1 else rest)[to:]


def refielded(data: bytes, other: bytes, rng: Random) -> bytes:
    """One to four fields anywhere in the model with another value, or without one."""
    model, donor = ModelProto(), ModelProto()
    model.ParseFromString(data)
    donor.ParseFromString(other)
    for _ in range(rng.integers(1, 5)):
        _refield(model, donor, rng)
    return model.SerializeToString()


def _refield(model: Message, donor: Message, rng: Random) -> None:
    """Walk down at random and change a field there."""
    at = model
    while True:
        fields = [f for f, _ in at.ListFields()]
        if not fields:
            return
        field = fields[rng.integers(len(fields))]
        value = getattr(at, field.name)
        if field.type != FieldDescriptor.TYPE_MESSAGE or rng.random() < 0.05:
            break
        if field.is_repeated and rng.random() < 0.1:
            break
        at = value[rng.integers(len(value))] if field.is_repeated else value
    kind = rng.integers(4)
    if kind == 0:
        at.ClearField(field.name)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        if field.is_repeated:
            _repeat(value, rng)
        else:
            at.ClearField(field.name)
    elif not field.is_repeated:
        _set(lambda new: setattr(at, field.name, new), field, rng)
    elif kind == 1:
        place = rng.integers(len(value))
        _set(lambda new: value.__setitem__(place, new), field, rng)
    elif kind == 2:
        _set(value.append, field, rng)
    else:
        del value[rng.integers(len(value))]


def _repeat(value: Any, rng: Random) -> None:
    """A message of a list removed, doubled, or swapped with another."""
    first, second = rng.integers(len(value)), rng.integers(len(value))
    kind = rng.integers(3)
    if kind == 0:
        del value[first]
    elif kind == 1:
        value.add().CopyFrom(value[first])
    else:
        copy = type(value[first])()
        copy.CopyFrom(value[first])
        value[first].CopyFrom(value[second])
        value[second].CopyFrom(copy)


def _set(store: Callable[[Any], object], field: FieldDescriptor, rng: Random) -> None:
    def pick(options: Sequence[Any]) -> Any:
        return options[rng.integers(len(options))]

    match field.type:
        case FieldDescriptor.TYPE_STRING:
            store(pick(TEXTS))
        case FieldDescriptor.TYPE_BYTES:
            store(rng.bytes(int(pick([0, 1, 4, 8, 64]))))
        case FieldDescriptor.TYPE_FLOAT | FieldDescriptor.TYPE_DOUBLE:
            store(pick(REALS))
        case FieldDescriptor.TYPE_ENUM:
            store(pick([value.number for value in field.enum_type.values]))
        case _:
            fits = {FieldDescriptor.TYPE_INT32: 1 << 31, FieldDescriptor.TYPE_UINT64: 1 << 64}
            limit = fits.get(field.type, 1 << 63)
            low = 0 if field.type == FieldDescriptor.TYPE_UINT64 else -limit
            store(pick([i for i in INTEGERS if low <= i < limit]))


def rewired(data: bytes, other: bytes, rng: Random) -> bytes:
    """A sound container around a wrong network: operators, edges and shapes exchanged."""
    model, donor = ModelProto(), ModelProto()
    model.ParseFromString(data)
    donor.ParseFromString(other)
    graph = model.graph
    for _ in range(rng.integers(1, 4)):
        node = graph.node[rng.integers(len(graph.node))]
        match rng.integers(6):
            case 0 if node.input:
                known = [t.name for t in graph.initializer]
                known += [output for n in graph.node for output in n.output]
                node.input[rng.integers(len(node.input))] = known[rng.integers(len(known))]
            case 1:
                node.op_type = sorted(HANDLERS)[rng.integers(len(HANDLERS))]
            case 2:
                foreign = donor.graph.node[rng.integers(len(donor.graph.node))]
                node.op_type, node.domain = foreign.op_type, foreign.domain
                del node.attribute[:]
                node.attribute.extend(foreign.attribute)
            case 3 if node.input:
                del node.input[rng.integers(len(node.input))]
            case 4 if len(graph.initializer):
                dims = graph.initializer[rng.integers(len(graph.initializer))].dims
                dims[:] = [1, *dims] if rng.random() < 0.3 else list(dims)[::-1]
            case 5 if node.attribute:
                chosen = node.attribute[rng.integers(len(node.attribute))]
                chosen.i = INTEGERS[rng.integers(len(INTEGERS))]
                chosen.ints[:] = [int(rng.integers(-2, 9)) for _ in chosen.ints]
    return model.SerializeToString()


KINDS = (flipped, cut, spliced, moved, refielded, refielded, refielded, rewired, rewired, rewired)


def mutant(models: Sequence[Path], seed: int) -> tuple[str, bytes]:
    """What was done to which model, and the bytes. The same seed gives the same mutant."""
    rng = np.random.default_rng(seed)
    path, other = (models[rng.integers(len(models))] for _ in range(2))
    kind = KINDS[rng.integers(len(KINDS))]
    try:
        return f"{kind.__name__} {path.stem}", kind(path.read_bytes(), other.read_bytes(), rng)
    except DecodeError:  # pragma: no cover (models are sound)
        raise AssertionError(f"{path} is no model") from None
