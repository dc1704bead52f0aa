"""Tensors narrower than a byte, which onnxruntime computes with but cannot hand to NumPy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import NodeProto, helper

from hwgen.frontends.qdq import stored
from hwgen.frontends.tensors import attributes

NARROW = ("int4", "uint4", "int2", "uint2")


def widened(node: NodeProto, known: Mapping[str, np.ndarray]) -> list[NodeProto]:
    """``node`` as nodes between which a narrow tensor is narrow: outside, its integers take a byte.

    ``known`` holds the constants. A QuantizeLinear widens what it makes; a DequantizeLinear takes
    the wide tensor. Others only move elements, and do so with bytes as well.
    """
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return [node]
    zero = known.get(node.input[2]) if len(node.input) > 2 else None
    kind = attributes(node).get("output_dtype", 0)
    if zero is not None:
        kind = helper.np_dtype_to_tensor_dtype(zero.dtype)
    name = helper.tensor_dtype_to_np_dtype(kind).name if kind else ""
    if name not in NARROW:
        return [node]
    changed, inner = NodeProto(), f"{node.output[0]}_narrow"
    changed.CopyFrom(node)
    if node.op_type == "QuantizeLinear":
        wide = helper.np_dtype_to_tensor_dtype(np.dtype(stored(name)))
        changed.output[0] = inner
        return [changed, helper.make_node("Cast", [inner], [node.output[0]], to=wide)]
    if node.input[0] in known and known[node.input[0]].dtype.name in NARROW:
        return [node]
    changed.input[0] = inner
    return [helper.make_node("Cast", [node.input[0]], [inner], to=kind), changed]
