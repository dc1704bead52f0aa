"""The numbers in a model file: as many as stated, and each of them a number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hwgen.core.errors import fail, printable
from hwgen.core.limits import Limits

QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
MICROSOFT = "com.microsoft"  # what onnxruntime adds
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


def parse(data: bytes, name: str) -> ModelProto:
    """The model in ``data``, not yet checked. Raises HW102."""
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        fail("HW102", where=name, why="the bytes are no complete protocol buffer of ONNX",
             help="give a .onnx file; export it again if it was cut short")  # fmt: skip
    return model


def tensors_of(model: ModelProto) -> Iterator[tuple[str, TensorProto]]:
    """Every tensor of the graph with its name, or with that of the node that holds it."""
    yield from ((tensor.name, tensor) for tensor in model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield label(node), attribute.t
            elif attribute.type == AttributeProto.TENSORS:
                yield from ((label(node), tensor) for tensor in attribute.tensors)


def read_constants(model: ModelProto, name: str, limits: Limits) -> dict[str, np.ndarray]:
    """The initializers by name. Every tensor of the model is checked before one becomes an array.

    Raises HwgenError: HW103 where data does not fit its shape, lies outside or is no number, HW106.
    """
    total = 0
    for owner, tensor in tensors_of(model):
        total += _check_tensor(tensor, f"{name}: tensor `{printable(owner)}`", limits)
        limits.check("elements", total, where=name)
    names = Counter(tensor.name for tensor in model.graph.initializer)
    for initializer, count in names.items():
        if count > 1:
            fail("HW103", where=name,
                 why=f"`{printable(initializer)}` is initialized {count} times")  # fmt: skip
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def _check_tensor(tensor: TensorProto, where: str, limits: Limits) -> int:
    """The number of elements, once the data is known to be exactly that long."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        fail("HW103", where=where, why="its data is in another file",
             help="save the model as one file, or allow a folder with --external-data")  # fmt: skip
    limits.check("rank", len(tensor.dims), where=where)
    if any(dim < 0 for dim in tensor.dims):
        fail("HW103", where=where, why=f"negative dimension in {tuple(tensor.dims)}")
    if tensor.HasField("segment"):
        fail("HW103", where=where, why="it is a segment of a tensor")
    count, bits = math.prod(tensor.dims), bits_of(tensor, where)
    fields = {"raw_data", *_FIELDS} & {field.name for field, _ in tensor.ListFields()}
    if tensor.HasField("raw_data"):
        have, need, unit = len(tensor.raw_data), -(-count * bits // 8), "bytes"
        fields.discard("raw_data")
    else:
        field = helper.tensor_dtype_to_field(tensor.data_type)
        have, unit = len(getattr(tensor, field)), "values"
        need = -(-count * bits // 8) if bits < 8 else count
        fields.discard(field)
        _check_values(tensor, field, bits, where)
    if fields:
        fail("HW103", where=where, why=f"it has data in {', '.join(sorted(fields))} as well")
    if have != need:
        why = f"{have} {unit} of data for shape {tuple(tensor.dims)}, which takes {need}"
        fail("HW103", where=where, why=why)
    return count


def _check_values(tensor: TensorProto, field: str, bits: int, where: str) -> None:
    """Numbers of 16 bits or fewer are stored in wider ones, whose other bits must say nothing."""
    name = TensorProto.DataType.Name(tensor.data_type)
    if field != "int32_data" or name == "INT32" or not tensor.int32_data:
        return
    width = max(bits, 8)
    lo, hi = (-(1 << width - 1), 1 << width - 1) if name in ("INT8", "INT16") else (0, 1 << width)
    if name == "BOOL":
        lo, hi = 0, 2
    elif bits < 8:
        lo = -(1 << width - 1)  # some writers store the packed byte with a sign
    least, most = min(tensor.int32_data), max(tensor.int32_data)
    if not lo <= least <= most < hi:
        fail("HW103", where=where, why=f"it holds {most if most >= hi else least}, no {name}")


_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


def bits_of(tensor: TensorProto, where: str) -> int:
    """Bits of one element as it is packed in a file. Raises HW103 unless it is a real number."""
    kind = tensor.data_type
    if kind not in TensorProto.DataType.values() or kind == TensorProto.UNDEFINED:
        fail("HW103", where=where, why=f"unknown element type {kind}")
    name = TensorProto.DataType.Name(kind)
    if kind in (TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        fail("HW103", where=where, why=f"its elements are {name}, no real numbers")
    for suffix, bits in (("INT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2)):
        if name.endswith(suffix):
            return bits
    return helper.tensor_dtype_to_np_dtype(kind).itemsize * 8


def check_numbers(
    nodes: Iterable[NodeProto], constants: Mapping[str, np.ndarray], name: str
) -> None:
    """No NaN anywhere, infinities only as bounds of a Clip, scales positive."""
    bounds = {tensor for node in nodes if node.op_type == "Clip" for tensor in node.input[1:]}
    others = {
        tensor for node in nodes for i, tensor in enumerate(node.input)
        if not (node.op_type == "Clip" and i)
    }  # fmt: skip
    arrays = list(constants.items())
    for node in nodes:
        arrays += [(label(node), a) for a in attributes(node).values() if isinstance(a, np.ndarray)]
    for owner, array in arrays:
        values = np.asarray(array, np.float64) if array.dtype.kind in "fV" else np.zeros(())
        open_bound = owner in bounds and owner not in others and not np.isnan(values).any()
        if not np.isfinite(values).all() and not open_bound:
            at = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
            fail("HW104", where=f"{name}: tensor `{owner}`",
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
    """Raise HW104 unless every scale is a positive finite number, and no denormal one.

    Below the smallest normal float32 a runtime may flush to zero, so that its integers differ.
    """
    values = np.asarray(scale, np.float64)
    bad = ~(np.isfinite(values) & (values >= np.finfo(np.float32).tiny))
    if bad.any():
        fail("HW104", where=where,
             why=f"a scale is {values[bad].flat[0]:g}, no positive normal number",
             help="export again; every channel needs a positive scale")  # fmt: skip
