"""ONNX's own node tests of its quantized operators, made models that hwgen can read.

Each test feeds one node with everything it takes. Here the first input stays one and the others
become constants. A batch is no frame, so that a tensor without a leading 1 is reshaped from one
that has it; and as a graph needs a layer, a quantizer is tested before one and behind one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, source_of
from hwgen.frontends.tensors import attributes
from hwgen.ir.execute import run_frames

OPERATORS = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger",
             "MatMulInteger")  # fmt: skip
ENTERS = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


@dataclass(frozen=True)
class Case:
    """One of ONNX's tests: a node, what it is fed, what must come out."""

    name: str
    node: Any
    inputs: tuple[np.ndarray, ...]
    expected: np.ndarray
    opset: int

    def forms(self) -> tuple[str, ...]:
        """Where the node can stand: at the model's ``input``, or behind a ``layer``."""
        if self.node.op_type == "QuantizeLinear":
            return ("input", "layer")
        return ("layer",) if self.node.op_type == "DequantizeLinear" else ("input",)


@cache
def cases() -> tuple[Case, ...]:
    """Those of :data:`OPERATORS`, as the installed onnx makes them."""
    return tuple(_cases())


def _cases() -> Iterator[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of other operators' tests
        tests = collect_testcases(None)
    for test in tests:
        graph = test.model.graph if test.model else None
        if graph is None or len(graph.node) != 1 or graph.node[0].op_type not in OPERATORS:
            continue
        for arrays, results in test.data_sets:
            inputs, (expected,) = ([_array(a) for a in part] for part in (arrays, results))
            opset = max(test.model.opset_import[0].version, 13)
            yield Case(
                test.name.removeprefix("test_"), graph.node[0], tuple(inputs), expected, opset
            )


def _array(value: Any) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def verdict(case: Case, form: str) -> str:
    """``equal``, ``different``, or why it is refused."""
    try:
        model, frames = _model(case, form)
        (ours,) = run_frames(lift(source_of(model)), {"x": frames[None]}).values()
    except HwgenError as error:
        return "; ".join(dict.fromkeys(f"{p.code}: {p.why}" for p in error.problems))
    wanted = case.expected.astype(np.float64)
    return "equal" if np.array_equal(ours.reshape(wanted.shape), wanted) else "different"


def _model(case: Case, form: str) -> tuple[Any, np.ndarray]:
    """The model, and one frame for it."""
    x, nodes, constants = case.inputs[0], [], []

    def const(value: Any, dtype: Any = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype), f"c{len(constants)}"))
        return constants[-1].name

    def node(op: str, *names: str, **attrs: Any) -> str:
        nodes.append(helper.make_node(op, names, [f"t{len(nodes)}"], **attrs))
        return nodes[-1].output[0]

    def diagonal(name: str, values: np.ndarray) -> str:
        """A layer that multiplies each element by a number."""
        y = node("Reshape", name, const([1, -1], np.int64))
        y = node("MatMul", y, const(np.diag(values.ravel())))
        return node("Reshape", y, const(x.shape, np.int64))

    frame, name = x, "x"
    if form == "layer" and case.node.op_type == "QuantizeLinear":
        frame = np.zeros(x.shape, np.uint8)
        name = node("DequantizeLinear", name, const(1.0), const(0, np.uint8))
        name = node("Add", diagonal(name, np.ones(x.shape)), const(x))
    elif form == "layer":
        frame, one = x.astype(np.float32), const(1.0)
        name = node("QuantizeLinear", name, one, const(0, x.dtype))
        name = diagonal(node("DequantizeLinear", name, one, const(0, x.dtype)), np.ones(x.shape))
        name = node("QuantizeLinear", name, one, const(0, x.dtype))
    elif x.ndim > 1 and x.shape[0] > 1:
        name = node("Reshape", name, const(x.shape, np.int64))
    rest = [const(a, a.dtype) for a in case.inputs[1:]]
    y = node(case.node.op_type, name, *rest, **attributes(case.node))
    if form == "input" and case.node.op_type == "QuantizeLinear":
        zero = const(np.zeros(()), case.expected.dtype)
        y = diagonal(node("DequantizeLinear", y, const(1.0), zero), np.ones(x.shape))
    shape = (1, *x.shape) if x.ndim == 1 or x.shape[0] > 1 else x.shape
    if x.ndim == 1:
        nodes.insert(0, helper.make_node("Reshape", ["x", const(x.shape, np.int64)], ["x0"]))
        nodes[1].input[0] = "x0"
    graph = helper.make_graph(
        nodes, case.name, [helper.make_tensor_value_info("x", ENTERS[frame.dtype.name], shape)],
        [helper.make_empty_tensor_value_info(y)], constants,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", case.opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return model, frame.reshape(shape[1:])
