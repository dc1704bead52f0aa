"""From a file to a checked source model. Nothing behind this point meets a malformed one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hwgen.core.errors import fail, printable
from hwgen.core.limits import DEFAULT, Limits
from hwgen.frontends.file import read_file
from hwgen.frontends.structure import check_structure
from hwgen.frontends.tensors import QONNX, check_numbers, parse, read_constants, where

STANDARD = ("", "ai.onnx")
OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)


@dataclass(frozen=True, eq=False)
class Source:
    """A model as it was given, checked.

    ``nodes`` stand in topological order. ``shapes`` holds the static shape of every model input,
    batch of one included; ``dtypes`` NumPy's name of its element type. ``constants`` are the
    initializers.
    """

    model: ModelProto
    name: str
    path: str
    opset: int
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, np.ndarray]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    limits: Limits = DEFAULT

    def where(self, node: NodeProto) -> str:
        """How messages name a node."""
        return where(node, self.name)

    def frame_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one frame of a model input: without the batch axis, where it has one."""
        return frame_shape(self.shapes[name])


def frame_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` without its leading batch of one; a vector has no batch axis."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def output_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Likewise for a model output, whose single axis, where it is one long, is the batch."""
    return shape[1:] if shape[:1] == (1,) else shape


def read_model(path: str | Path, limits: Limits = DEFAULT) -> Source:
    """Read and check an ONNX file in this very process: for files of our own.

    Files of others go through :mod:`hwgen.intake`. Raises HwgenError: HW101 no such file; HW102 no
    ONNX model; HW103 malformed; HW104 NaN, infinity or a scale that is not positive; HW105 dynamic
    shape; HW106 over a limit; HW202 functions, subgraphs, an unknown opset. Data kept outside the
    file is never opened.
    """
    file = read_file(path, limits)
    return source_of_bytes(file.data, name=file.name, path=file.path, limits=limits)


def source_of_bytes(data: bytes, *, name: str, path: str = "", limits: Limits = DEFAULT) -> Source:
    """Parse and check a model; errors as for :func:`read_model`."""
    return source_of(parse(data, path or name), name=name, path=path, limits=limits)


def source_of(
    model: ModelProto, *, name: str = "model", path: str = "", limits: Limits = DEFAULT
) -> Source:
    """Check a model that is already in memory; errors as for :func:`read_model`."""
    graph = model.graph
    if not model.ir_version or not graph.node or not graph.output:
        fail("HW102", where=path or name, why="there is no graph with nodes and outputs in it",
             help="the file may be cut short; export it again")  # fmt: skip
    check_structure(model, name, limits)
    opset = _opset(model, name)
    constants = read_constants(model, name, limits)
    given = [value for value in graph.input if value.name not in constants]
    nodes = _sorted(graph.node, {*constants, *(value.name for value in given)}, name)
    source = Source(
        model, name, path, opset, nodes, constants,
        tuple(value.name for value in given), tuple(value.name for value in graph.output),
        {value.name: _shape(value, name, limits) for value in given},
        {value.name: _dtype(value, name) for value in given}, limits,
    )  # fmt: skip
    _check_ssa(source)
    check_numbers(nodes, constants, name)
    return source


def quantize_input(
    source: Source, input_name: str, *, bits: int, scale: float, signed: bool = True
) -> Source:
    """``source`` with a Quant at a model input: the fixed-point format in which frames arrive.

    For models trained on real inputs, whose first layer has no quantizer before it. Values are
    rounded half to even and saturate.
    """
    model = ModelProto()
    model.CopyFrom(source.model)
    quantized = f"{input_name}_quantized"
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == input_name:
                node.input[i] = quantized
    names = [f"{quantized}_{part}" for part in ("scale", "zero", "bits")]
    for name, value in zip(names, (scale, 0.0, float(bits)), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    node = helper.make_node(
        "Quant", [input_name, *names], [quantized], quantized, domain=QONNX[0],
        signed=int(signed), narrow=0, rounding_mode="ROUND",
    )  # fmt: skip
    model.graph.node.insert(0, node)
    return source_of(model, name=source.name, path=source.path, limits=source.limits)


def _opset(model: ModelProto, name: str) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    if len(set(versions)) != 1:
        fail("HW103", where=name, why=f"the model imports {len(versions)} standard opsets, not one")
    if versions[0] not in OPSETS:
        why = f"opset {versions[0]} is not one of {OPSETS.start}..{OPSETS.stop - 1}"
        fail("HW202", where=name, why=why, help="convert the model to opset 13 or later")
    return versions[0]


def _sorted(nodes: Any, known: set[str], name: str) -> tuple[NodeProto, ...]:
    """``nodes`` in topological order, as near to the given order as that allows."""
    made = {output for node in nodes for output in node.output if output}
    waiting: dict[str, list[int]] = {}
    missing: list[int] = []
    for i, node in enumerate(nodes):
        needs = {tensor for tensor in node.input if tensor and tensor not in known}
        for tensor in needs:
            if tensor not in made:
                fail("HW103", where=where(node, name),
                     why=f"nothing makes its input `{printable(tensor)}`",
                     help="export the model again, whole")  # fmt: skip
            waiting.setdefault(tensor, []).append(i)
        missing.append(len(needs))
    ready = [i for i, count in enumerate(missing) if not count]
    order: list[int] = []
    done: set[str] = set()
    for i in ready:  # grows while it is walked
        order.append(i)
        for output in nodes[i].output:
            if not output or output in done:
                continue
            done.add(output)
            for consumer in waiting.get(output, ()):
                missing[consumer] -= 1
                if not missing[consumer]:
                    ready.append(consumer)
    if len(order) < len(nodes):
        stuck = next(node for i, node in enumerate(nodes) if missing[i])
        fail("HW103", where=where(stuck, name),
             why="its inputs depend on its own output: the graph has a cycle")  # fmt: skip
    in_order = order == sorted(order) or _is_sorted(nodes, known)
    return tuple(nodes) if in_order else tuple(nodes[i] for i in order)


def _is_sorted(nodes: Any, known: set[str]) -> bool:
    seen = set(known)
    for node in nodes:
        if any(tensor and tensor not in seen for tensor in node.input):
            return False
        seen.update(node.output)
    return True


def _shape(value: onnx.ValueInfoProto, name: str, limits: Limits) -> tuple[int, ...]:
    """Static shape of a model input; the batch, given or not, is one."""
    where = f"{name}: input `{printable(value.name)}`"
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        fail("HW105", where=where, why="its shape is not stated", help="export with static shapes")
    limits.check("rank", len(tensor.shape.dim), where=where)
    shape = []
    for axis, dim in enumerate(tensor.shape.dim):
        fixed = dim.HasField("dim_value")
        if axis == 0 and not fixed and len(tensor.shape.dim) > 1:
            shape.append(1)
        elif not fixed or dim.dim_value < 1:
            shown = dim.dim_value if fixed else dim.dim_param or "?"
            fail("HW105", where=where, why=f"dimension {axis} is {shown}",
                 help="export with every dimension but the batch a positive number")  # fmt: skip
        else:
            shape.append(dim.dim_value)
    limits.check("tensor", math.prod(shape), where=where)
    if len(shape) > 1 and shape[0] != 1:
        fail("HW105", where=where, why=f"the batch is fixed at {shape[0]} frames",
             help="export with a batch of 1 or a symbolic one")  # fmt: skip
    if not shape:
        fail("HW105", where=where, why="it is a single number, not a tensor")
    return tuple(shape)


def _dtype(value: onnx.ValueInfoProto, name: str) -> str:
    kind = value.type.tensor_type.elem_type
    allowed: dict[int, str] = {
        TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8", TensorProto.INT8: "int8",
    }  # fmt: skip
    dtype = allowed.get(kind)
    if dtype is None:
        known = kind in TensorProto.DataType.values()
        shown = TensorProto.DataType.Name(kind) if known else str(kind)
        fail("HW202", where=f"{name}: input `{printable(value.name)}`",
             why=f"its elements are {shown}",
             help="inputs must be float32, uint8 or int8")  # fmt: skip
    return dtype


def _check_ssa(source: Source) -> None:
    """Every name has one definition, and every output of the graph has one at all."""
    made = [*source.inputs, *source.constants]
    made += [name for node in source.nodes for name in node.output if name]
    for name, count in Counter(made).items():
        if count > 1:
            fail("HW103", where=source.name, why=f"`{printable(name)}` is defined {count} times")
    if len(set(source.outputs)) < len(source.outputs):
        fail("HW103", where=source.name, why="an output is listed twice")
    known = set(made)
    for name in source.outputs:
        if name not in known:
            fail("HW103", where=source.name, why=f"nothing makes the output `{printable(name)}`")
