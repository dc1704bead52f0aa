"""Operators on constants, against onnxruntime."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from hwgen.core.errors import HwgenError
from hwgen.frontends import source_of
from hwgen.frontends.call import HANDLERS, Call
from hwgen.frontends.folding import FOLD, size_of
from hwgen.frontends.lifted import Constant
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.oracle import _run_node
from hwgen.frontends.tensors import attributes
from hwgen.ir.graph import GraphBuilder
from tests.frontends.test_oracle import standard_model

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
RNG = np.random.default_rng(5)
X = RNG.normal(size=(2, 3, 4)).astype(np.float32)
POSITIVE = np.abs(X) + 1
I = np.arange(-6, 6).reshape(3, 4)  # noqa: E741


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES: list[tuple[str, list[np.ndarray], dict[str, Any]]] = [
    ("Shape", [X], {}), ("Shape", [X], {"start": 1}), ("Shape", [X], {"start": -2, "end": -1}),
    ("Size", [X], {}),
    ("Gather", [X, ints(1)], {}), ("Gather", [X, np.array(2, np.int64)], {"axis": 1}),
    ("Gather", [X, ints(-1, 0)], {"axis": 2}),
    ("Slice", [X, ints(0), ints(2)], {}), ("Slice", [X, ints(1), ints(99), ints(2)], {}),
    ("Slice", [X, ints(-1), ints(-99), ints(2), ints(-1)], {}),
    ("Slice", [X, ints(0, 3), ints(2, 0), ints(1, 2), ints(1, -2)], {}),
    ("Concat", [X, X], {"axis": 1}), ("Concat", [ints(1), ints(2, 3)], {"axis": 0}),
    ("Cast", [X * 9], {"to": TensorProto.INT64}), ("Cast", [I], {"to": TensorProto.FLOAT}),
    ("Expand", [X[:1], ints(2, 3, 4)], {}), ("Expand", [X, ints(1)], {}),
    ("ConstantOfShape", [ints(2, 2)], {}),
    ("Add", [X, X[0]], {}), ("Sub", [X, X[:, :1]], {}), ("Mul", [I, ints(3)], {}),
    ("Div", [X, POSITIVE], {}), ("Div", [I, ints(4)], {}), ("Div", [I, ints(-4)], {}),
    ("Pow", [POSITIVE, np.float32(0.5)], {}), ("Pow", [np.float32(2), np.float32(7)], {}),
    ("Sqrt", [POSITIVE], {}), ("Neg", [X], {}), ("Abs", [X], {}), ("Sign", [X], {}),
    ("Floor", [X * 3], {}), ("Ceil", [X * 3], {}),
    ("Round", [np.arange(-3, 3, 0.5, np.float32)], {}),
    ("Reciprocal", [POSITIVE], {}), ("Min", [X, X[0], X[1]], {}), ("Max", [X, X[0]], {}),
    ("ReduceMax", [X], {"axes": [1]}), ("ReduceMin", [X], {"axes": [0, 2], "keepdims": 0}),
    ("ReduceProd", [ints(2, 3, 4)], {"keepdims": 0}), ("ReduceSum", [X, ints(1)], {}),
    ("Reshape", [X, ints(0, -1)], {}), ("Reshape", [X, ints(4, 0, 2)], {}),
    ("Flatten", [X], {}), ("Flatten", [X], {"axis": 2}), ("Flatten", [X], {"axis": -1}),
    ("Flatten", [X], {"axis": 0}), ("Squeeze", [X[:1], ints(0)], {}), ("Squeeze", [X[:1, :1]], {}),
    ("Unsqueeze", [X, ints(1)], {}), ("Unsqueeze", [X, ints(-1, 0)], {}),
    ("Transpose", [X], {}), ("Transpose", [X], {"perm": [2, 0, 1]}), ("Identity", [X], {}),
    ("DepthToSpace", [np.arange(96, dtype=np.float32).reshape(1, 8, 3, 4)], {"blocksize": 2}),
    ("DepthToSpace", [np.arange(96, dtype=np.float32).reshape(1, 8, 3, 4)],
     {"blocksize": 2, "mode": "CRD"}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "arrays", "attrs"), CASES)
def test_equal_to_onnxruntime(op: str, arrays: list[np.ndarray], attrs: dict[str, Any]) -> None:
    source = replace(source_of(standard_model()), opset=15 if op == "Shape" else 13)
    names = [f"i{i}" for i in range(len(arrays))]
    node = helper.make_node(op, names, ["o"], **attrs)
    known = dict(zip(names, map(np.asarray, arrays), strict=True))
    call = Call(op, "n", "n", tuple(map(Constant, known.values())), attributes(node), 13)
    ours = np.asarray(FOLD[op](call)) if op in FOLD else HANDLERS[op](None, call).array  # type: ignore[union-attr,arg-type]
    _run_node(source, node, known, set(names))
    assert ours.shape == known["o"].shape
    assert ours.dtype == known["o"].dtype
    assert np.array_equal(ours, known["o"])


def test_constants_carry_codes_and_scales_through_layout() -> None:
    codes = np.arange(6).reshape(2, 3)
    scale = np.broadcast_to(np.array([[1.0], [2.0]]), (2, 3))
    weight = Constant(codes * scale, codes, scale)
    call = Call("Transpose", "n", "n", (weight,), {}, 13)
    moved = HANDLERS["Transpose"](None, call)  # type: ignore[arg-type]
    assert isinstance(moved, Constant)
    assert moved.codes is not None
    assert np.array_equal(moved.codes * moved.scale, moved.array)


def test_a_bomb_is_not_filled() -> None:
    call = Call("ConstantOfShape", "n", "n", (Constant(ints(1 << 20, 1 << 20)),), {}, 13)
    lifter = Lifter(GraphBuilder("bomb"))
    lifter.call = call
    with pytest.raises(HwgenError) as caught:
        lifter.account(size_of(call))
    assert caught.value.problems[0].code == "HW106"
