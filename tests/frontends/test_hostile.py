"""Sound networks with random damage: refused with a reason or lifted, never a traceback."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto

from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, source_of
from tests.frontends.networks import random_network

NUMBERS = [-5, -1, 0, 1, 2, 3, 7, 1 << 20, 1 << 40, -(1 << 62)]
REALS = [0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-40]
OPERATORS = ["Relu", "Conv", "MatMul", "Gemm", "Flatten", "Reshape", "Squeeze", "Unsqueeze",
             "Gather", "Slice", "Concat", "TopK", "ArgMax", "Softmax", "MaxPool", "DepthToSpace",
             "Clip", "Cast", "Div", "Quant", "Trunc", "MultiThreshold", "BatchNormalization",
             "Expand", "Transpose", "ConstantOfShape", "Constant", "HardSigmoid",
             "Shape"]  # fmt: skip


def damage(model: ModelProto, rng: np.random.Generator) -> None:
    """One random change to a node, an attribute, a constant or a shape."""

    def pick(options):
        return options[rng.integers(len(options))]

    graph = model.graph
    node, tensor = pick(graph.node), pick(graph.initializer)
    kind = rng.integers(9)
    if kind == 0 and node.input:
        names = [name for n in graph.node for name in (*n.input, *n.output)]
        node.input[rng.integers(len(node.input))] = pick([*names, "", "x"])
    elif kind == 1 and node.attribute:
        attribute = pick(node.attribute)
        attribute.i, attribute.f, attribute.s = (
            int(pick(NUMBERS)),
            pick(REALS),
            pick([b"", b"\xff"]),
        )
        if attribute.type == AttributeProto.INTS and len(attribute.ints):
            attribute.ints[rng.integers(len(attribute.ints))] = int(pick(NUMBERS))
    elif kind == 2 and node.attribute:
        if rng.random() < 0.5:
            del node.attribute[rng.integers(len(node.attribute))]
        else:
            pick(node.attribute).type = int(pick([1, 2, 3, 6, 7, 8]))
    elif kind == 3:
        node.op_type = pick(OPERATORS)
    elif kind == 4:
        if tensor.dims:
            tensor.dims[rng.integers(len(tensor.dims))] = int(pick(NUMBERS))
        else:
            tensor.dims.append(1)
    elif kind == 5 and tensor.raw_data:
        data = bytearray(tensor.raw_data)
        data[rng.integers(len(data))] = int(rng.integers(256))
        tensor.raw_data = bytes(data)
    elif kind == 6:
        tensor.data_type = int(pick([1, 2, 3, 6, 7, 9, 10, 11, 14, 21, 22]))
    elif kind == 7:
        if node.input and rng.random() < 0.5:
            del node.input[-1]
        else:
            node.input.append(tensor.name)
    else:
        pick(graph.input[0].type.tensor_type.shape.dim).dim_value = int(pick(NUMBERS))


@pytest.mark.parametrize("seed", range(12))
def test_damage_is_refused_or_harmless(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes: set[str] = set()
    for _ in range(40):
        model = ModelProto()
        model.CopyFrom(random_network(rng).model)
        for _ in range(rng.integers(1, 4)):
            damage(model, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # absurd numbers overflow on the way
            try:
                lift(source_of(model))
            except HwgenError as error:
                codes |= {problem.code for problem in error.problems}
                assert all(problem.where and problem.why for problem in error.problems)
    assert len(codes) >= 3
