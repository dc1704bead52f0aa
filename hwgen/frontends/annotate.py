"""Quantizers put into a float model: the only writer of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from hwgen.frontends.read import Source, source_of
from hwgen.frontends.tensors import QONNX, attributes

FLOAT_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
QUANTIZERS = frozenset({
    "Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "QuantizeLinear",
    "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger",
})  # fmt: skip
STORAGE = frozenset({"QuantizeLinear", "DequantizeLinear"})

# Makers of constants out of nothing or of shapes: no weights, and their size is not bounded here.
SHAPELESS = frozenset({"ConstantOfShape", "Expand", "Range", "RandomNormal", "RandomUniform"})


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A uniform quantizer: ``bits`` wide codes times ``scale``, zero point 0.

    ``scale`` is a scalar, or has the tensor's rank with one value per channel.
    """

    bits: int
    scale: np.ndarray
    signed: bool
    narrow: bool = False


def is_float(source: Source) -> bool:
    """Whether nothing in the model quantizes; constants may be stored as integers and a scale."""
    dynamic = set(source.inputs)
    for node in source.nodes:
        depends = not dynamic.isdisjoint(node.input)
        if node.op_type in QUANTIZERS and (depends or node.op_type not in STORAGE):
            return False
        if depends:
            dynamic.update(name for name in node.output if name)
    return True


def constants(source: Source) -> dict[str, np.ndarray]:
    """Every tensor that no model input reaches, initializers included."""
    known = dict(source.constants)
    for node in source.nodes:
        if node.op_type not in SHAPELESS and all(not name or name in known for name in node.input):
            given = {name: known[name] for name in node.input if name}
            known |= zip(node.output, _evaluate(source, node, given), strict=True)
    return known


def _evaluate(source: Source, node: NodeProto, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of one node on constants."""
    if node.op_type == "DequantizeLinear" and "block_size" not in attributes(node):
        return [_dequantized(node, [given[name] for name in node.input if name])]
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
              for n, a in given.items()]  # fmt: skip
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "constant", values, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", source.opset)])
    return ReferenceEvaluator(model).run(None, given)  # type: ignore[return-value]


def _dequantized(node: NodeProto, inputs: list[np.ndarray]) -> np.ndarray:
    """Stored integers as numbers; onnx evaluates this operator of recent opsets only."""
    x, scale, *zero = inputs
    if scale.size > 1:
        axis = attributes(node).get("axis", 1) % x.ndim
        shape = [-1 if k == axis else 1 for k in range(x.ndim)]
        scale, zero = scale.reshape(shape), [z.reshape(shape) for z in zero]
    codes = x.astype(np.int64) - (zero[0].astype(np.int64) if zero else 0)
    return codes.astype(scale.dtype) * scale


def insert_quantizers(source: Source, quantizers: Mapping[str, Quantizer]) -> Source:
    """``source`` with a QONNX Quant on each named tensor, read by all that read the tensor.

    Tensors may be model inputs, inner values or initializers.
    """
    model = ModelProto()
    model.CopyFrom(source.model)
    nodes = {tensor: _nodes(tensor, quantizer) for tensor, quantizer in quantizers.items()}
    renamed = {tensor: made.output[0] for tensor, (made, _) in nodes.items()}
    ordered = []
    for tensor, (made, arrays) in nodes.items():
        model.graph.initializer.extend(arrays)
        if tensor in source.inputs or tensor in source.constants:
            ordered.append(made)
    for node in source.nodes:
        copy = type(node)()
        copy.CopyFrom(node)
        for k, name in enumerate(copy.input):
            copy.input[k] = renamed.get(name, name)
        ordered.append(copy)
        ordered += [nodes[name][0] for name in node.output if name in nodes]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    if not any(entry.domain == QONNX[0] for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(QONNX[0], 1))
    return source_of(model, name=source.name, path=source.path)


def _nodes(tensor: str, quantizer: Quantizer):
    """The Quant node of ``tensor``, and its constants."""
    output = f"{tensor}_quantized"
    values = (quantizer.scale, 0.0, float(quantizer.bits))
    names = [f"{output}_{part}" for part in ("scale", "zero", "bits")]
    arrays = [
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in zip(names, values, strict=True)
    ]
    node = helper.make_node(
        "Quant", [tensor, *names], [output], output, domain=QONNX[0],
        signed=int(quantizer.signed), narrow=int(quantizer.narrow), rounding_mode="ROUND",
    )  # fmt: skip
    return node, arrays
