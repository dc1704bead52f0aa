"""What the reproductions of hwgen.training share: a network, and how an arm is measured."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from hwgen.training.data import Data
from hwgen.training.fit import accuracy, integer_accuracy
from hwgen.training.methods import replace_relu
from hwgen.training.network import Recipe, float_network
from hwgen.training.quantizers import LSQActivation

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/research.md"
DEEP = Recipe("fashion14", (12, "pool", 16, 16, "pool"), (32,), epochs=5)
WIDE = Recipe("fashion14", (16, "pool", 32, 32, "pool"), (64,), epochs=5)
Arm = dict[str, float]


def settle_torch() -> None:
    """One thread and no operator whose result depends on scheduling."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def scored(net: nn.Sequential, data: Data, **more: float) -> Arm:
    """Accuracy of the network in torch and of its integers, in percent."""
    torch_score = accuracy(net, *data.test)
    return {"fake-quantized": torch_score, "integers": integer_accuracy(net, *data.test), **more}


def wide_activations(seed: int, data: Data, recipe: Recipe | None = None) -> nn.Sequential:
    """The deep network with float weights and 8-bit activations."""
    torch.manual_seed(seed)
    net = float_network(recipe or DEEP, data)
    replace_relu(net, lambda: LSQActivation(8))
    return net
