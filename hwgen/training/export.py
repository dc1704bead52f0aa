"""A trained network as QONNX: float tensors and quantizer nodes, nothing fused.

hwgen's importer finds the very codes of :meth:`WeightQuantizer.integers` in the file, and computes
what the network computes in evaluation mode. Tensors are float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.blocks import Concat, Residual
from hwgen.training.grid import Bipolar, Form, Integers, Table, Uniform
from hwgen.training.quantizers import WeightLayer, quantizer_of

DOMAIN, OPSET, IR_VERSION = "qonnx.custom_op.general", 17, 8
CUSTOM = frozenset({"Quant", "BipolarQuant", "MultiThreshold"})


def to_onnx(net: nn.Module, shape: Sequence[int], name: str = "network") -> ModelProto:
    """The model for one frame of ``shape``: input ``x`` (1, *shape), output ``y``.

    ``net`` is an nn.Sequential, also nested, of Linear, Conv2d, BatchNorm, ReLU, MaxPool2d,
    AvgPool2d, Flatten, :class:`Residual`, :class:`Concat` and the quantizers of this package. Raises HW202 for
    another module, HW203 for a weight or activation quantizer that is not ready, HW104 for NaN.
    """
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad():
            writer = _Writer()
            edge = writer.module("", net, "x")
            outputs = net(torch.zeros(1, *shape)).shape
    finally:
        net.train(was_training)
    if not writer.nodes:
        fail("HW206", where=name, why="the network has no layer")
    writer.nodes[-1].output[0] = "y"
    assert edge == f"{writer.nodes[-1].name}_out", "the last node makes the output"
    graph = helper.make_graph(
        writer.nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(outputs))],
        writer.tensors,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="hwgen"
    )
    onnx.checker.check_model(model)
    return model


def export(net: nn.Module, shape: Sequence[int], path: str | Path) -> ModelProto:
    """Write :func:`to_onnx` of ``net`` to ``path``, and return it. Nothing is written on error."""
    path = Path(path)
    model = to_onnx(net, shape, path.stem)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return model


class _Writer:
    """Appends nodes in order; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[TensorProto] = []

    def tensor(self, name: str, values: Tensor | float) -> str:
        array = values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        if not np.isfinite(array).all():
            fail("HW104", where=name, why="it is NaN or infinite", help="training diverged")
        self.tensors.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op: str, name: str, *inputs: str, **attributes: object) -> str:
        domain = DOMAIN if op in CUSTOM else ""
        out = f"{name}_out"
        self.nodes.append(
            helper.make_node(op, list(inputs), [out], name, domain=domain, **attributes)
        )
        return out

    def quantize(self, name: str, x: str, form: Form) -> str:
        match form:
            case Bipolar():
                return self.node("BipolarQuant", name, x, self.tensor(f"{name}_scale", form.scale))
            case Table():
                table = self.tensor(f"{name}_thresholds", form.thresholds[None])
                return self.node("MultiThreshold", name, x, table,
                                 out_scale=float(form.scale), out_bias=0.0,
                                 out_dtype=f"UINT{len(form.thresholds).bit_length()}")  # fmt: skip
            case Uniform():
                zero = 0.0 if form.zero is None else form.zero
                constants = [
                    self.tensor(f"{name}_scale", form.scale),
                    self.tensor(f"{name}_zero", zero),
                    self.tensor(f"{name}_bits", form.bits),
                ]
                return self.node("Quant", name, x, *constants, signed=int(form.signed),
                                 narrow=int(form.narrow), rounding_mode="ROUND")  # fmt: skip

    def weight(self, name: str, layer: WeightLayer) -> str:
        stored = integers(name, layer)
        values = self.tensor(f"{name}_weight", stored.values)
        return self.quantize(f"{name}_weight_quant", values, stored.form)

    def module(self, name: str, module: nn.Module, x: str) -> str:
        """The nodes of ``module`` on tensor ``x``."""
        kind = type(module).__name__.removeprefix("Parametrized").lower()
        leaf = f"{kind}{name}"
        match module:
            case nn.Sequential():
                for key, child in module.named_children():
                    x = self.module(f"{name}_{key}" if name else key, child, x)
                return x
            case Residual():
                body = self.module(f"{name}_body", module.body, x)
                return self.node("Add", leaf, body, self.module(f"{name}_cut", module.shortcut, x))
            case Concat():
                branches = [self.module(f"{name}_{key}", child, x)
                            for key, child in module.branches.named_children()]  # fmt: skip
                return self.node("Concat", leaf, *branches, axis=1)
            case nn.Linear():
                return self.dense(leaf, module, x)
            case nn.Conv2d():
                return self.conv(leaf, module, x)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                parts = ("weight", "bias", "running_mean", "running_var")
                constants = [self.tensor(f"{leaf}_{p}", getattr(module, p)) for p in parts]
                return self.node("BatchNormalization", leaf, x, *constants, epsilon=module.eps)
            case nn.ReLU():
                return self.node("Relu", leaf, x)
            case nn.MaxPool2d() | nn.AvgPool2d():
                op = "MaxPool" if isinstance(module, nn.MaxPool2d) else "AveragePool"
                size, stride, pad = (_pair(v) for v in (module.kernel_size, module.stride,
                                                        module.padding))  # fmt: skip
                extra = {"count_include_pad": 1} if op == "AveragePool" else {}
                return self.node(op, leaf, x, kernel_shape=size, strides=stride, pads=pad * 2,
                                 ceil_mode=int(module.ceil_mode), **extra)  # fmt: skip
            case nn.Flatten():
                return self.node("Flatten", leaf, x, axis=1)
            case nn.Identity() | nn.Dropout():
                return x
            case _:
                return self.quantize(leaf, x, _form(leaf, module))

    def dense(self, name: str, layer: nn.Linear, x: str) -> str:
        weight = self.weight(name, layer)
        if layer.bias is not None:
            return self.node("Gemm", name, x, weight, self.tensor(f"{name}_bias", layer.bias),
                             transB=1)  # fmt: skip
        return self.node("MatMul", name, x, self.node("Transpose", f"{name}_turn", weight,
                                                      perm=[1, 0]))  # fmt: skip

    def conv(self, name: str, layer: nn.Conv2d, x: str) -> str:
        if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            fail("HW202", where=name, why=f"padding {layer.padding!r}, {layer.padding_mode}",
                 help="pad with zeros by a number of pixels")  # fmt: skip
        inputs = [x, self.weight(name, layer)]
        if layer.bias is not None:
            inputs.append(self.tensor(f"{name}_bias", layer.bias))
        return self.node("Conv", name, *inputs, kernel_shape=list(layer.kernel_size),
                         strides=list(layer.stride), pads=list(layer.padding) * 2,
                         dilations=list(layer.dilation), group=layer.groups)  # fmt: skip


def integers(name: str, layer: WeightLayer) -> Integers:
    """The codes of a layer's weight. Raises HW203 where it has no quantizer."""
    quantizer = quantizer_of(layer)
    if quantizer is None:
        fail("HW203", where=name, why="its weight has no quantizer",
             help="hwgen.training.quantizers.quantize_weight puts one on")  # fmt: skip
    latent = layer.parametrizations["weight"].original  # type: ignore[index]
    if not torch.isfinite(latent).all():
        fail("HW104", where=name, why="a weight is NaN or infinite", help="training diverged")
    return quantizer.integers(latent)


def _form(name: str, module: nn.Module) -> Form:
    if not hasattr(module, "form"):
        fail("HW202", where=name, why=f"{type(module).__name__} has no QONNX form",
             help="use nn.Sequential of the layers that hwgen.training.export names")  # fmt: skip
    form = module.form()  # type: ignore[operator]
    started = getattr(module, "started", None)
    if (started is not None and not started) or math.isnan(float(form.scale)):
        fail("HW203", where=name, why="its scale is not set: it has seen no data",
             help="run frames through the network first")  # fmt: skip
    return form


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
