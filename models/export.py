"""A trained ``nn.Sequential`` as a QONNX file: float tensors, Quant nodes, nothing fused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from qat import Bipolar, QConv, QLinear, Quant
from torch import Tensor, nn

DOMAIN = "qonnx.custom_op.general"


class QonnxExporter:
    """Writes layer after layer; ``edge`` is the tensor that the next layer reads."""

    def __init__(self, input_name: str) -> None:
        self.edge = input_name
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def tensor(self, name: str, values: Tensor | np.ndarray | float) -> str:
        array = values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
        self.tensors.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op: str, name: str, *inputs: str, **attributes: object) -> str:
        """Append a node; its output bears its name."""
        domain = DOMAIN if op in ("Quant", "BipolarQuant") else ""
        self.nodes.append(
            helper.make_node(op, list(inputs), [f"{name}_out"], name, domain=domain, **attributes)
        )
        return f"{name}_out"

    def quantize(self, name: str, x: str, quantizer: nn.Module, like: Tensor) -> str:
        scale = self.tensor(f"{name}_scale", quantizer.scale(like))
        if isinstance(quantizer, Bipolar):
            return self.node("BipolarQuant", name, x, scale)
        zero = self.tensor(f"{name}_zero_point", 0.0)
        bits = self.tensor(f"{name}_bits", quantizer.bits)
        return self.node("Quant", name, x, scale, zero, bits, signed=int(quantizer.signed),
                         narrow=0, rounding_mode="ROUND")  # fmt: skip

    def weight(self, name: str, layer: QConv | QLinear) -> str:
        stored = self.tensor(f"{name}_weight", layer.weight)
        return self.quantize(f"{name}_weight_quant", stored, layer.wq, layer.weight)

    def layer(self, name: str, layer: nn.Module) -> None:
        """One layer of the network as the nodes that PyTorch's exporter writes for it."""
        x = self.edge
        bias = getattr(layer, "bias", None)
        match layer:
            case Quant() | Bipolar():
                self.edge = self.quantize(name, x, layer, layer.step)
            case QConv():
                inputs = [x, self.weight(name, layer)]
                inputs += [self.tensor(f"{name}_bias", bias)] if bias is not None else []
                self.edge = self.node(
                    "Conv", name, *inputs, kernel_shape=list(layer.kernel_size),
                    strides=list(layer.stride), pads=[*layer.padding, *layer.padding],
                    dilations=[1, 1], group=1,
                )  # fmt: skip
            case QLinear() if bias is not None:
                weight = self.weight(name, layer)
                self.edge = self.node(
                    "Gemm", name, x, weight, self.tensor(f"{name}_bias", bias), transB=1
                )
            case QLinear():
                turned = self.node(
                    "Transpose", f"{name}_turn", self.weight(name, layer), perm=[1, 0]
                )
                self.edge = self.node("MatMul", name, x, turned)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                parts = ("weight", "bias", "running_mean", "running_var")
                inputs = [self.tensor(f"{name}_{part}", getattr(layer, part)) for part in parts]
                self.edge = self.node("BatchNormalization", name, x, *inputs, epsilon=layer.eps)
            case nn.MaxPool2d():
                size = [int(layer.kernel_size)] * 2
                self.edge = self.node("MaxPool", name, x, kernel_shape=size, strides=size)
            case nn.ReLU():
                self.edge = self.node("Relu", name, x)
            case nn.Flatten():
                self.edge = self.node("Flatten", name, x, axis=1)
            case _:
                raise TypeError(f"no QONNX form of {type(layer).__name__}")


def export(net: nn.Sequential, shape: tuple[int, ...], classes: int, path: Path) -> None:
    """Write ``net`` for one frame of ``shape`` per inference: input ``x``, output ``y``."""
    exporter = QonnxExporter("x")
    for index, layer in enumerate(net.eval()):
        exporter.layer(f"{type(layer).__name__.lower()}{index}", layer)
    exporter.nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        exporter.nodes,
        path.stem,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, classes])],
        exporter.tensors,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hwgen")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
