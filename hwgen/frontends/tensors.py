"""The numbers in a model file: as many as stated, and each of them a number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hwgen.core.errors import fail, printable
from hwgen.frontends.limits import Limits

QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
SCALE_INPUTS = {"Quant": (1,), "IntQuant": (1,), "BipolarQuant": (1,), "Trunc": (1, 4)}


def label(node: NodeProto) -> str:
    """A node's name, or that of its first output where it has none."""
    return node.name or next((name for name in node.output if name), node.op_type)


def where(node: NodeProto, name: str) -> str:
    """How messages name a node of the model ``name``."""
    return f"{name}: node `{label(node)}` ({node.op_type})"


def attributes(node: NodeProto) -> dict[str, Any]:
    """Attributes by name; strings decoded, tensors as arrays, lists as tuples."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, TensorProto):
            return numpy_helper.to_array(value)
        return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value

    return {a.name: plain(helper.get_attribute_value(a)) for a in node.attribute}


def _tensors(model: ModelProto) -> Iterator[tuple[str, TensorProto]]:
    yield from ((tensor.name, tensor) for tensor in model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.TENSOR, AttributeProto.TENSORS):
                tensors = [attribute.t] if attribute.HasField("t") else attribute.tensors
                yield from ((label(node), tensor) for tensor in tensors)


def read_constants(model: ModelProto, name: str, limits: Limits) -> dict[str, np.ndarray]:
    if model.graph.sparse_initializer:
        fail("HW202", where=name, why="the model has sparse initializers", help="make them dense")
    for node in model.graph.node:
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            fail("HW202", where=where(node, name),
                 why="the node holds a subgraph", help="export without control flow")  # fmt: skip
    total = 0
    for owner, tensor in _tensors(model):
        total += _check_tensor(tensor, f"{name}: tensor `{owner}`")
        limits.check("elements", total, where=name)
    twice = [
        n for n, count in Counter(t.name for t in model.graph.initializer).items() if count > 1
    ]
    if twice:
        fail("HW103", where=name, why=f"initializer `{printable(twice[0])}` is defined twice")
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def _check_tensor(tensor: TensorProto, where: str) -> int:
    """The number of elements, once the data is known to be exactly that long."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        fail("HW103", where=where, why="its data is in another file",
             help="save the model with its data inside (onnx.save, one file)")  # fmt: skip
    if tensor.data_type not in TensorProto.DataType.values() or tensor.data_type == 0:
        fail("HW103", where=where, why=f"unknown element type {tensor.data_type}")
    if any(dim < 0 for dim in tensor.dims):
        fail("HW103", where=where, why=f"negative dimension in {tuple(tensor.dims)}")
    count = math.prod(tensor.dims)
    if tensor.data_type == TensorProto.STRING:
        fail("HW103", where=where, why="it holds strings")
    type_name = TensorProto.DataType.Name(tensor.data_type)
    bits = _bits(tensor.data_type, type_name)
    if tensor.HasField("raw_data"):
        have, need, unit = len(tensor.raw_data), -(-count * bits // 8), "bytes"
    else:
        field = helper.tensor_dtype_to_field(tensor.data_type)
        per = 2 if type_name.startswith("COMPLEX") else 1
        have, unit = len(getattr(tensor, field)), "values"
        need = -(-count * bits // 8) if bits < 8 else count * per
    if have != need:
        why = f"{have} {unit} of data for shape {tuple(tensor.dims)}, which takes {need}"
        fail("HW103", where=where, why=why)
    return count


def _bits(data_type: int, type_name: str) -> int:
    """Bits of one element as it is packed in a file."""
    for suffix, bits in (("INT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2)):
        if type_name.endswith(suffix):
            return bits
    return helper.tensor_dtype_to_np_dtype(data_type).itemsize * 8


def check_numbers(
    nodes: Iterable[NodeProto], constants: Mapping[str, np.ndarray], name: str
) -> None:
    """No NaN anywhere, infinities only as bounds of a Clip, scales positive."""
    bounds = {name for node in nodes if node.op_type == "Clip" for name in node.input[1:]}
    others = {
        name for node in nodes for i, name in enumerate(node.input)
        if not (node.op_type == "Clip" and i)
    }  # fmt: skip
    arrays = list(constants.items())
    for node in nodes:
        arrays += [(label(node), a) for a in attributes(node).values() if isinstance(a, np.ndarray)]
    for name, array in arrays:
        values = np.asarray(array, np.float64) if array.dtype.kind in "fV" else np.zeros(())
        open_bound = name in bounds and name not in others and not np.isnan(values).any()
        if not np.isfinite(values).all() and not open_bound:
            at = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
            fail("HW104", where=f"{name}: tensor `{name}`",
                 why=f"the element at {at} is {values[at]}",
                 help="training may have diverged; export a sound checkpoint")  # fmt: skip
    for node in nodes:
        for i in SCALE_INPUTS.get(node.op_type, ()) if node.domain in QONNX else ():
            if i == 4 and len(node.input) < 6:
                continue  # Trunc of version 1 has no output scale
            scale = constants.get(node.input[i]) if i < len(node.input) else None
            if scale is not None:
                check_scale(scale, where(node, name))


def check_scale(scale: np.ndarray, where: str) -> None:
    """Raise HW104 unless every scale is a positive finite number."""
    values = np.asarray(scale, np.float64)
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        fail("HW104", where=where, why=f"a scale is {values[bad].flat[0]:g}, not positive",
             help="export again; every channel needs a positive scale")  # fmt: skip
