"""Tensors whose data does not fit their shape or type, or lies where it should not."""

from __future__ import annotations

import os

from onnx import ModelProto, TensorProto

from tests.hostile.corpus import add, change, mlp, tensor


@change("HW103")
def data_too_short(model: ModelProto) -> None:
    tensor(model, "Quant", 1).raw_data = b"\0\0"


@change("HW103")
def data_too_long(model: ModelProto) -> None:
    tensor(model, "Quant", 1).raw_data += bytes(1000)


@change("HW103")
def data_in_two_fields(model: ModelProto) -> None:
    tensor(model, "Quant", 1).float_data.append(7.0)


@change("HW103")
def data_in_a_foreign_field(model: ModelProto) -> None:
    found = tensor(model, "Quant", 1)
    found.ClearField("raw_data")
    found.int64_data.append(1)


@change("HW103")
def data_in_segments(model: ModelProto) -> None:
    tensor(model, "Quant", 1).segment.end = 1 << 60


def _dims(*dims: int) -> ModelProto:
    model = mlp()
    del tensor(model, "Quant", 1).dims[:]
    tensor(model, "Quant", 1).dims.extend(dims)
    return model


for _name, _shape in {
    "dims_2_62": (1 << 62,), "dims_overflow_to_one": (1 << 32, 1 << 32, 1),
    "dims_negative": (-1,), "dims_two_negatives": (-1, -1), "dims_lowest": (-(1 << 63),),
}.items():  # fmt: skip
    add(_name, lambda shape=_shape: _dims(*shape), "HW103")
add("dims_without_end", lambda: _dims(*[1] * 1000), "HW106")


def _typed(kind: int) -> ModelProto:
    model = mlp()
    tensor(model, "Quant", 1).data_type = kind
    return model


for _kind in (0, -1, 99, 1 << 30, TensorProto.STRING, TensorProto.COMPLEX64,
              TensorProto.COMPLEX128):  # fmt: skip
    add(f"type_{_kind}", lambda kind=_kind: _typed(kind), "HW103")
for _kind in ("FLOAT16", "BFLOAT16", "DOUBLE", "BOOL", "INT4", "UINT2", "FLOAT4E2M1",
              "FLOAT8E4M3FN", "FLOAT8E5M2FNUZ", "FLOAT8E8M0"):  # fmt: skip
    add(f"type_{_kind.lower()}", lambda kind=_kind: _typed(getattr(TensorProto, kind)), "HW103")


def _external(location: str, **more: str) -> ModelProto:
    model = mlp()
    found = tensor(model, "Quant", 1)
    found.ClearField("raw_data")
    found.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        found.external_data.add(key=key, value=value)
    return model


for _name, _location, _more in (
    ("external_up", "../" * 20 + "etc/passwd", {}), ("external_absolute", "/etc/passwd", {}),
    ("external_device", "/dev/zero", {}), ("external_beside", "data.bin", {}),
    ("external_huge", "data.bin", {"length": str(1 << 50)}),
    ("external_negative", "data.bin", {"offset": "-1", "length": "-1"}),
    ("external_key", "data.bin", {"__class__": "dict"}), ("external_empty", "", {}),
    ("external_own_file", f"{os.curdir}/external_own_file.onnx", {}),
):  # fmt: skip
    add(_name, lambda location=_location, more=_more: _external(location, **more), "HW103")
