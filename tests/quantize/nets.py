"""Small float nets for the tests of quantization."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from hwgen.frontends import Source, source_of

DATA = Path(os.environ.get("HWGEN_DATA") or "/nonexistent")
node = helper.make_node


def model(nodes, inputs, outputs, arrays) -> Source:
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [
            numpy_helper.from_array(a if np.asarray(a).dtype.kind == "i"
                                    else np.asarray(a, np.float32), n)
            for n, a in arrays.items()
        ],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return source_of(made, name="net")


def cnn(rng: np.random.Generator) -> Source:
    """Conv, ReLU, MaxPool, Flatten, Gemm over frames (2, 8, 8); five outputs."""
    arrays = {
        "w0": rng.normal(0, 0.3, (6, 2, 3, 3)), "b0": rng.normal(0, 0.1, 6),
        "w1": rng.normal(0, 0.2, (5, 6 * 16)), "b1": rng.normal(0, 0.1, 5),
    }  # fmt: skip
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c"], "conv", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"], "relu"),
        node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"], "flatten"),
        node("Gemm", ["f", "w1", "b1"], ["y"], "fc", transB=1),
    ]
    return model(nodes, {"x": (1, 2, 8, 8)}, {"y": (1, 5)}, arrays)


def norm(name: str, x: str, y: str, channels: int, rng: np.random.Generator, arrays: dict):
    """A BatchNormalization whose parameters join ``arrays``."""
    given = {
        "g": rng.uniform(0.5, 1.5, channels), "b": rng.normal(0, 0.2, channels),
        "m": rng.normal(0, 0.2, channels), "v": rng.uniform(0.5, 2, channels),
    }  # fmt: skip
    arrays.update({f"{name}_{k}": v for k, v in given.items()})
    return node("BatchNormalization", [x, *(f"{name}_{k}" for k in given)], [y], name)


def separable(rng: np.random.Generator, *, pad: int = 0, uneven: float = 0.0) -> Source:
    """Conv, depthwise Conv, 1x1 Conv, Gemm, with BatchNormalization and ReLU between.

    ``uneven`` spreads the ranges of channels over that many octaves.
    """
    arrays = {
        "w0": rng.normal(0, 0.3, (6, 2, 3, 3)), "w1": rng.normal(0, 0.3, (6, 1, 3, 3)),
        "w2": rng.normal(0, 0.4, (8, 6, 1, 1)), "w3": rng.normal(0, 0.2, (8 * 36, 4)),
        "b3": rng.normal(0, 0.1, 4),
    }  # fmt: skip
    if pad:
        arrays["w3"] = rng.normal(0, 0.2, (8 * 64, 4))
    nodes, pads = [], [pad] * 4
    nodes += [node("Conv", ["x", "w0"], ["c0"], "conv0", pads=[1, 1, 1, 1])]
    nodes += [norm("n0", "c0", "d0", 6, rng, arrays), node("Relu", ["d0"], ["r0"])]
    nodes += [node("Conv", ["r0", "w1"], ["c1"], "depthwise", group=6, pads=pads)]
    nodes += [norm("n1", "c1", "d1", 6, rng, arrays), node("Relu", ["d1"], ["r1"])]
    nodes += [node("Conv", ["r1", "w2"], ["c2"], "pointwise")]
    nodes += [norm("n2", "c2", "d2", 8, rng, arrays), node("Relu", ["d2"], ["r2"])]
    nodes += [node("Flatten", ["r2"], ["f"]), node("MatMul", ["f", "w3"], ["m"], "fc")]
    nodes += [node("Add", ["m", "b3"], ["y"], "bias")]
    for name in ("n0", "n1"):
        spread = 2.0 ** rng.uniform(-uneven, uneven, 6)
        arrays[f"{name}_g"] *= spread
        arrays[f"{name}_b"] *= spread
    return model(nodes, {"x": (1, 2, 8, 8)}, {"y": (1, 4)}, arrays)


def residual(rng: np.random.Generator) -> Source:
    """Two convolutions around an Add, a global average and a Gemm."""
    arrays = {
        "w0": rng.normal(0, 0.4, (4, 2, 3, 3)), "w1": rng.normal(0, 0.4, (4, 4, 3, 3)),
        "w2": rng.normal(0, 0.4, (3, 4)), "b2": rng.normal(0, 0.1, 3),
    }  # fmt: skip
    nodes = [
        node("Conv", ["x", "w0"], ["c0"], "conv0", pads=[1, 1, 1, 1]), node("Relu", ["c0"], ["r0"]),
        node("Conv", ["r0", "w1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        node("Add", ["c1", "r0"], ["s"], "sum"), node("Relu", ["s"], ["r1"]),
        node("GlobalAveragePool", ["r1"], ["a"]), node("Flatten", ["a"], ["f"]),
        node("Gemm", ["f", "w2", "b2"], ["y"], "fc", transB=1),
    ]  # fmt: skip
    return model(nodes, {"x": (1, 2, 6, 6)}, {"y": (1, 3)}, arrays)


def frames(rng: np.random.Generator, source: Source, count: int) -> dict[str, np.ndarray]:
    return {
        name: rng.normal(0, 1, (count, *source.frame_shape(name))).astype(np.float32)
        for name in source.inputs
    }
