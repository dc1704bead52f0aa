"""A network of one small layer, for tests that need a model and not its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from tests.frontends.networks import Net


def small(kind: str = "sound") -> onnx.ModelProto:
    """A quantized layer, 8 inputs and 5 outputs: ``sound``, on integers (``uint8``), or with one
    fault (``nan``, ``dynamic``, ``unsupported``).
    """
    net = Net(np.random.default_rng(0))
    x = net.node("Cast", "x", to=TensorProto.FLOAT) if kind == "uint8" else "x"
    x = net.quant(x, 0.25, 4)
    weights = net.rng.normal(0, 1, (8, 5)).astype(np.float32)
    if kind == "nan":
        weights[3, 2] = np.nan
    y = net.node("MatMul", x, net.quant(net.const(weights), 0.5, 3))
    if kind == "unsupported":
        y = net.node("Hardmax", net.node("LSTM", y))
    shape = ("N", "width") if kind == "dynamic" else ("N", 8)
    input_kind = TensorProto.UINT8 if kind == "uint8" else TensorProto.FLOAT
    return net.model({"x": shape}, [y], kind=input_kind)


def save(folder: Path, kind: str = "sound") -> Path:
    """The file ``<kind>.onnx`` of that model in ``folder``."""
    path = folder / f"{kind}.onnx"
    path.write_bytes(small(kind).SerializeToString())
    return path
