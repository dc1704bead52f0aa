"""All quantizers, by class and by name, and how they are put on a network and found again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn.utils import parametrize

from hwgen.core.errors import fail
from hwgen.training.activations import (
    HWGQ,
    N2UQ,
    CGPact,
    DoReFaActivation,
    FixedPoint,
    LSQActivation,
    Pact,
    PowerOfTwoActivation,
    Sign,
    Step,
)
from hwgen.training.weights import (
    LSQ,
    Binary,
    DoReFa,
    Fixed,
    PowerOfTwo,
    Ternary,
    WeightQuantizer,
    clamp_latent,
)

__all__ = [
    "ACTIVATIONS", "HWGQ", "LSQ", "N2UQ", "WEIGHTS", "Binary", "CGPact", "DoReFa",
    "DoReFaActivation", "Fixed", "FixedPoint", "LSQActivation", "Pact", "PowerOfTwo",
    "PowerOfTwoActivation", "Sign", "Step", "Ternary", "WeightQuantizer", "activation",
    "clamp_latent", "quantize_weight", "quantizer_of", "weight_layers", "weight_quantizer",
]  # fmt: skip

WeightLayer = nn.Linear | nn.Conv2d

# Each takes (bits, output channels).
WEIGHTS: dict[str, Callable[[int, int], WeightQuantizer]] = {
    "dorefa": lambda bits, _: DoReFa(bits),
    "dorefa-modified": lambda bits, _: DoReFa(bits, "modified"),
    "dorefa-centered": lambda bits, _: DoReFa(bits, "centered"),
    "lsq": lambda bits, _: LSQ(bits),
    "lsq-channel": lambda bits, channels: LSQ(bits, channels),
    "lsq+": lambda bits, _: LSQ(bits, init="sd"),
    "tqt": lambda bits, _: PowerOfTwo(bits),
    "binary": lambda *_: Binary(),
    "xnor": lambda *_: Binary("channel"),
    "ternary": lambda *_: Ternary(),
}

ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "dorefa": DoReFaActivation,
    "pact": Pact,
    "cg-pact": CGPact,
    "lsq": LSQActivation,
    "lsq+": lambda bits: LSQActivation(bits, offset="whole"),
    "tqt": PowerOfTwoActivation,
    "hwgq": HWGQ,
    "n2uq": N2UQ,
    "sign": lambda *_: Sign(),
    "step": lambda *_: Step(),
}
_WIDTHS = {"binary": 1, "xnor": 1, "ternary": 2, "sign": 1, "step": 1}


def weight_quantizer(name: str, bits: int, channels: int = 1) -> WeightQuantizer:
    """A weight quantizer by name. Raises HW110 for an unknown one or bits that it cannot have."""
    _check(name, bits, WEIGHTS, "weight quantizer")
    return WEIGHTS[name](bits, channels)


def activation(name: str, bits: int) -> nn.Module:
    """An activation quantizer by name; errors as for :func:`weight_quantizer`."""
    _check(name, bits, ACTIVATIONS, "activation quantizer")
    return ACTIVATIONS[name](bits)


def _check(name: str, bits: int, known: dict, what: str) -> None:
    if name not in known:
        fail("HW110", where=what, why=f"there is no {name!r}", help=f"use {', '.join(known)}")
    if _WIDTHS.get(name, bits) != bits:
        fail("HW110", where=what, why=f"{name} has {_WIDTHS[name]} bits, not {bits}")


def weight_layers(net: nn.Module) -> Iterator[tuple[str, WeightLayer]]:
    """Every dense layer and convolution of ``net`` with its name, in the order of definition."""
    for name, module in net.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            yield name, module


def quantize_weight(layer: nn.Module, quantizer: nn.Module) -> nn.Module:
    """Parametrize ``layer.weight`` by ``quantizer``, in place of one it has; returns ``layer``.

    The latent weight stays. A copy of a parametrized layer shares its class, so that the
    parametrization is exchanged rather than removed, which would change the class.
    """
    if parametrize.is_parametrized(layer, "weight"):
        held = layer.parametrizations["weight"]  # type: ignore[index]
        with torch.no_grad():
            quantizer(held.original)  # starts what starts from data, as registration does
        held[0] = quantizer
    else:
        parametrize.register_parametrization(layer, "weight", quantizer)
    return layer


def quantizer_of(layer: nn.Module) -> WeightQuantizer | None:
    """What parametrizes the weight of ``layer``, if anything does."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    found = layer.parametrizations["weight"]  # type: ignore[index]
    if len(found) != 1:
        fail("HW202", where=type(layer).__name__, why=f"{len(found)} parametrizations of a weight",
             help="use one quantizer; Rescaled wraps another")  # fmt: skip
    return found[0]
