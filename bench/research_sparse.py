"""Reproductions of the sparse methods: RVSM, RGSM, ADMM, RVSCGD, and robust ensembles."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import research_common as common
import torch
from research_common import Arm, scored, wide_activations
from torch import nn

from hwgen.training import qgt, sparsify
from hwgen.training.blocks import NoisyResidual
from hwgen.training.data import Data, load
from hwgen.training.fit import Stepper, accuracy, fit, integer_accuracy
from hwgen.training.methods import SETTLED
from hwgen.training.network import Recipe, float_network
from hwgen.training.prune import read_together, remove_channels
from hwgen.training.quantizers import (
    FixedPoint,
    LSQActivation,
    PowerOfTwoActivation,
    WeightLayer,
    weight_layers,
)
from hwgen.training.recipes import train
from hwgen.training.robust import adversarial, attack, ensemble


def sparsity(seed: int) -> dict[str, Arm]:
    data = load(common.DEEP.data)
    x = torch.from_numpy(data.train[0][:1000])

    def finish(net: nn.Sequential) -> Arm:
        removed = remove_channels(net)
        qgt.reestimate(net, x.split(250))
        names = [name for name, _ in weight_layers(net)]
        left = sum(int((layer.weight != 0).sum()) for _, layer in weight_layers(net))
        qgt.snap(net, dict.fromkeys(names, 8))
        return scored(net, data, weights=left, removed=removed)

    def trained(prox: sparsify.Prox | None, kind: type[sparsify.Splitting], beta: float,
                settle: float | None = None) -> nn.Sequential:  # fmt: skip
        net = wide_activations(seed, data)

        def wrap(optimizer: torch.optim.Optimizer, steps: int) -> Stepper:
            if prox is None:
                return optimizer
            share = None if settle is None else round(settle * steps)
            return kind(optimizer, targets(net), prox, beta, share)

        stepper = fit(
            net, data, epochs=common.DEEP.epochs, rate=common.DEEP.rate, seed=seed, wrap=wrap
        )
        if isinstance(stepper, sparsify.Splitting):
            stepper.deliver()
        return net

    def targets(net: nn.Module) -> list[torch.Tensor]:
        return [layer.weight for _, layer in weight_layers(net) if isinstance(layer, nn.Conv2d)][1:]

    dense = trained(None, sparsify.Splitting, 0)
    arms = {"dense": finish(deepcopy(dense))}
    for label, prox in (("half of the channels", sparsify.keep_channels(0.5)),
                        ("20 % of the weights", sparsify.keep_weights(0.2))):  # fmt: skip
        cut = deepcopy(dense)
        sparsify.one_shot(targets(cut), prox)
        arms[f"one shot, {label}"] = finish(cut)
        arms[f"RVSM splitting, {label}"] = finish(trained(prox, sparsify.Splitting, 1.0))
        arms[f"ADMM, {label}"] = finish(trained(prox, sparsify.ADMM, 1.0))
    arms["RVSM splitting, removed, trained on"] = finish(
        trained(sparsify.keep_channels(0.5), sparsify.Splitting, 1.0, SETTLED))  # fmt: skip
    return arms


BINARY = Recipe("digits", (16, "pool", 32, 32), (), "rvscgd", wbits=8, abits=1, epochs=15,
                rate=4e-3)  # fmt: skip


def binary(seed: int) -> dict[str, Arm]:
    """Activations 1[x > 0] throughout; the share of the inner weights that is kept varies."""
    data = load(BINARY.data)
    x = torch.from_numpy(data.train[0][:1000])
    torch.manual_seed(seed)
    net = float_network(BINARY, data)
    fit(net, data, epochs=BINARY.epochs, rate=BINARY.rate, seed=seed)
    arms: dict[str, Arm] = {"float": {"fake-quantized": accuracy(net, *data.test)}}

    def kept(label: str, share: float) -> nn.Sequential:
        made = train(replace(BINARY, keep=share), seed=seed).net
        left = sum(int((layer.weight != 0).sum()) for _, layer in weight_layers(made))
        arms[label] = scored(made, data, weights=left)
        return made

    dense = kept("binarized, dense", 1.0)
    cut = deepcopy(dense)
    sparsify.one_shot([latent(layer) for layer in inner(cut)], sparsify.keep_weights(0.2))
    qgt.reestimate(cut, x.split(250))
    arms["binarized, 20 % in one shot"] = scored(cut, data)
    kept("RVSCGD, 20 % of the weights", 0.2)
    kept("RVSCGD, 10 % of the weights", 0.1)
    return arms


def inner(net: nn.Module) -> list[WeightLayer]:
    return [layer for _, layer in weight_layers(net)][1:-1]


def latent(layer: WeightLayer) -> torch.Tensor:
    return layer.parametrizations["weight"].original


BUDGET = 0.15  # of the pixels' range
CHANNELS = 12


@dataclass(frozen=True)
class Robust:
    """A residual network, or an ensemble of ``members``, and how it is trained."""

    members: int = 1
    sigma: float = 0.0
    hostile: bool = True
    halved: bool = False

    def network(self, data: Data) -> nn.Sequential:
        """Not trained yet."""
        parts = [residual_network(self.sigma) for _ in range(self.members)]
        return nn.Sequential(FixedPoint(data.bits, data.step),
                             parts[0] if self.members == 1 else ensemble(*parts))  # fmt: skip

    def train(self, data: Data, seed: int = 0) -> tuple[nn.Sequential, int]:
        """The network on 8-bit weights, and how many channels were removed."""
        torch.manual_seed(seed)
        net = self.network(data)

        def wrap(optimizer: torch.optim.Optimizer, steps: int) -> Stepper:
            if not self.halved:
                return optimizer
            return sparsify.Splitting(optimizer, read_together(net), sparsify.keep_channels(0.5),
                                      1.0, settle=round(SETTLED * steps))  # fmt: skip

        fit(net, data, epochs=6, rate=4e-3, seed=seed, wrap=wrap,
            loss=adversarial(BUDGET) if self.hostile else None)  # fmt: skip
        removed = remove_channels(net)
        qgt.snap(net, dict.fromkeys([name for name, _ in weight_layers(net)], 8))
        return net, removed


ROBUST = {
    "natural training": Robust(hostile=False),
    "PGD training": Robust(),
    "PGD, ensemble of two": Robust(2),
    "PGD, noisy ensemble of two": Robust(2, 0.1),
    "PGD, half of the channels": Robust(halved=True),
    "PGD, noisy ensemble of two, half of the channels": Robust(2, 0.1, halved=True),
}


def robust(seed: int) -> dict[str, Arm]:
    """PGD training of residual networks, alone and as noisy ensembles of two, whole and halved."""
    data = load("digits")
    x, y = (torch.from_numpy(part) for part in data.test)
    arms: dict[str, Arm] = {}
    for label, kind in ROBUST.items():
        net, removed = kind.train(data, seed)
        attacked = {
            "IFGSM-20": attack(net, x, y, BUDGET),
            "PGD-20": attack(net, x, y, BUDGET, random=True),
        }
        arms[label] = scored(net, data, removed=removed) | {
            name: integer_accuracy(net, frames.numpy(), y.numpy())
            for name, frames in attacked.items()
        }
    return arms


def residual_network(sigma: float) -> nn.Sequential:
    """A convolution and two residual blocks, of 4-bit activations, each sum of 4-bit terms.

    Logits have a power of two as their step, so that those of two networks add up.
    """

    def conv(inputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS)]

    def block() -> nn.Module:
        body = nn.Sequential(*conv(CHANNELS), LSQActivation(4), *conv(CHANNELS),
                             LSQActivation(4, signed=True))  # fmt: skip
        return NoisyResidual(body, sigma=sigma)

    return nn.Sequential(*conv(1), LSQActivation(4), nn.MaxPool2d(2), block(), LSQActivation(4),
                         block(), LSQActivation(4), nn.Flatten(), nn.Linear(CHANNELS * 16, 10),
                         PowerOfTwoActivation(8, signed=True))  # fmt: skip
