"""Export small networks of our own from Brevitas and torchao as these write them.

PYTHON tests/frontends/exported/make.py, with torch 2.13.0, onnxscript 0.7.2, onnxoptimizer,
brevitas 0.13.4 (which needs dependencies 2.0.1 and unfoldNd) and torchao 0.18.0. Beside each
.onnx stand frames and what the network itself makes of them in PyTorch. Only tracebacks that
exporters keep in a model are taken out.
"""

from __future__ import annotations

from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant import Int8WeightPerChannelFloat
from torch import nn
from torchao.quantization.pt2e import move_exported_model_to_eval
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.testing.pt2e._xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)

HERE = Path(__file__).parent
FRAME = (1, 8, 8)


class LowBits(nn.Module):
    """Brevitas: 4 and 3 bits, scales per tensor and per channel, BatchNormalization between."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            qnn.QuantIdentity(bit_width=8, return_quant_tensor=True),
            qnn.QuantConv2d(1, 4, 3, padding=1, bias=True, weight_bit_width=4),
            nn.BatchNorm2d(4),
            qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
            qnn.QuantConv2d(4, 6, 3, stride=2, padding=1, bias=False, weight_bit_width=3,
                            weight_quant=Int8WeightPerChannelFloat),
            nn.BatchNorm2d(6),
            qnn.QuantReLU(bit_width=3, return_quant_tensor=True),
            nn.Flatten(),
            qnn.QuantLinear(6 * 16, 5, bias=True, weight_bit_width=4),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Plain(nn.Module):
    """What torchao quantizes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def frames(count: int) -> torch.Tensor:
    return torch.rand(count, *FRAME) * 2 - 1


def fit(network: nn.Module) -> nn.Module:
    """A few steps, so that scales, biases and statistics are not those of initialization."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(30):
        x = frames(64)
        label = (x.mean((1, 2, 3)) * 20).clamp(-2, 2).round().long() + 2
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), label).backward()
        optimizer.step()
    return network.eval()


def keep(name: str, network) -> None:
    """Take tracebacks out of the model; write frames and results."""
    path = HERE / f"{name}.onnx"
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info,
                 *graph.initializer):  # fmt: skip
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)
    path.with_suffix(".onnx.data").unlink(missing_ok=True)
    x = frames(20)
    with torch.no_grad():
        np.savez(path.with_suffix(".npz"), x=x.numpy(), y=network(x).numpy())


def main() -> None:
    torch.manual_seed(0)
    low = fit(LowBits())
    export_qonnx(low, args=frames(1), export_path=str(HERE / "brevitas_qonnx.onnx"))
    keep("brevitas_qonnx", low)
    export_onnx_qcdq(low, args=frames(1), export_path=str(HERE / "brevitas_qcdq.onnx"))
    keep("brevitas_qcdq", low)

    any_batch = ({0: torch.export.Dim("batch", max=64)},)
    for name, per_channel in (("torchao_pt2e", False), ("torchao_pt2e_per_channel", True)):
        exported = torch.export.export(fit(Plain()), (frames(2),), dynamic_shapes=any_batch)
        config = get_symmetric_quantization_config(is_per_channel=per_channel)
        prepared = prepare_pt2e(exported.module(), XNNPACKQuantizer().set_global(config))
        for _ in range(8):
            prepared(frames(16))
        quantized = convert_pt2e(prepared)
        move_exported_model_to_eval(quantized)
        program = torch.onnx.export(quantized, (frames(1),), dynamo=True, opset_version=21)
        assert program is not None
        program.save(HERE / f"{name}.onnx")
        keep(name, quantized)


if __name__ == "__main__":
    main()
