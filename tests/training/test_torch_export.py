"""Float networks as torch.onnx writes them today, by both exporters, from the file to integers."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")

import torch
from torch import nn

from hwgen.intake import compare_model, import_model, open_model


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.pool = nn.Conv2d(8, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(8, 5)

    def forward(self, x):
        y = torch.relu(self.norm(self.first(x)))
        return self.last(torch.flatten(self.pool(torch.relu(self.second(y) + y)), 1))


class SqueezeExcite(nn.Module):
    """A separable block with a gate, ReLU6 and HardSwish."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 16, 1), nn.Hardswish(),
        )  # fmt: skip
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(),
                                  nn.Conv2d(4, 16, 1), nn.Hardsigmoid())  # fmt: skip
        self.last = nn.Linear(16, 4)

    def forward(self, x):
        y = self.block(x)
        return self.last((y * self.gate(y)).mean((2, 3)))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        y = torch.relu(self.down(x))
        z = torch.relu(self.deep(nn.functional.max_pool2d(y, 2)))
        return self.last(torch.cat([self.up(z), y], 1))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16), nn.SiLU(),
                         nn.Linear(16, 3))  # fmt: skip


def signal() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 8, 5, padding=2), nn.BatchNorm1d(8), nn.LeakyReLU(0.1),
                         nn.MaxPool1d(2), nn.Conv1d(8, 8, 3, dilation=2), nn.ELU(), nn.Flatten(),
                         nn.Linear(96, 3))  # fmt: skip


CASES = {
    "residual": (Residual, (3, 16, 16)), "squeeze_excite": (SqueezeExcite, (3, 16, 16)),
    "unet": (UNet, (1, 16, 16)), "perceptron": (perceptron, (16,)), "signal": (signal, (2, 32)),
}  # fmt: skip


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", CASES)
def test_exported_networks(name: str, dynamo: bool, tmp_path: Path) -> None:
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")
    torch.manual_seed(0)
    make, shape = CASES[name]
    model, x = make(), torch.randn(48, *shape)
    model(x)  # gives BatchNorm its statistics
    model.eval()
    path, calib = tmp_path / "net.onnx", tmp_path / "x.npy"
    np.save(calib, x.numpy())
    options = {} if dynamo else {"opset_version": 17, "input_names": ["x"],
                                 "dynamic_axes": {"x": {0: "N"}}}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x[:1],), path, dynamo=dynamo, **options)
    source = open_model(path, external_data=tmp_path if dynamo else None)
    imported = import_model(source, wbits=8, abits=8, calib=calib)
    found = compare_model(imported.model, 8, calib)
    assert found["faults"] == 0
    assert found["frames"] == 8
