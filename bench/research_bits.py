"""Reproductions of the methods for few bits: SAT, QGT, SP-Nets."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import research_common as common
import torch
from research_common import Arm, scored, wide_activations
from torch import nn

from hwgen.training import qgt
from hwgen.training import switchable as sw
from hwgen.training.data import load
from hwgen.training.fit import accuracy, fit
from hwgen.training.methods import bits_of, replace_relu
from hwgen.training.network import float_network
from hwgen.training.quantizers import (
    CGPact,
    DoReFa,
    LSQActivation,
    quantize_weight,
    weight_layers,
)
from hwgen.training.recipes import recipe_of, train

PRECISIONS = (8, 4, 2)


def sat(seed: int) -> dict[str, Arm]:
    recipe = recipe_of("fashion14", wbits=2, abits=2)
    data = load(recipe.data)
    torch.manual_seed(seed)
    net = float_network(recipe, data)
    fit(net, data, epochs=recipe.epochs, rate=recipe.rate, seed=seed)
    arms: dict[str, Arm] = {"float": {"fake-quantized": accuracy(net, *data.test)}}
    for name, method in {"DoReFa + PACT": "pact", "DoReFa + CG-PACT": "cg-pact", "SAT": "sat",
                         "SAT, centered grid": "sat-centered", "LSQ": "lsq"}.items():  # fmt: skip
        arms[name] = scored(train(replace(recipe, method=method), seed=seed).net, data)
    return arms


def guided(seed: int) -> dict[str, Arm]:
    data = load(common.WIDE.data)
    x = torch.from_numpy(data.train[0][:1000])
    names = [name for name, _ in weight_layers(wide_activations(seed, data, common.WIDE))]
    bits = dict.fromkeys(names, 2) | {names[0]: 8, names[-1]: 8}
    inner = dict.fromkeys(names[1:-1], 2)
    arms: dict[str, Arm] = {}
    for label, schedule in (("plain", None), ("guided", qgt.Schedule(3e-2, 30.0))):
        net = wide_activations(seed, data, common.WIDE)

        def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, t: float,
                 schedule: qgt.Schedule | None = schedule) -> torch.Tensor:  # fmt: skip
            task = nn.functional.cross_entropy(net(x), y)
            return task if schedule is None else task + schedule(t) * qgt.regularizer(net, inner)

        fit(net, data, epochs=common.WIDE.epochs, rate=common.WIDE.rate, seed=seed, loss=loss)
        low, full = qgt.rom_bytes(net, bits)
        arms[f"{label}, float weights"] = {
            "fake-quantized": accuracy(net, *data.test),
            "bytes": full,
        }
        snapped = qgt.snap(deepcopy(net), bits)
        arms[f"{label}, snapped"] = scored(snapped, data, bytes=low)
        qgt.reestimate(snapped, x.split(250))
        arms[f"{label}, snapped + BN"] = scored(snapped, data, bytes=low)
    return arms


def faces(seed: int) -> dict[str, Arm]:
    """Each seed has other test patches as well."""
    recipe = recipe_of("faces", epochs=25)
    data = load("faces", split=seed)
    x = torch.from_numpy(data.train[0])
    torch.manual_seed(seed)
    net = float_network(recipe, data)
    fit(net, data, epochs=recipe.epochs, rate=recipe.rate, batch=recipe.batch, seed=seed)
    full = 4 * sum(p.numel() for p in net.parameters())
    arms: dict[str, Arm] = {"float": {"fake-quantized": accuracy(net, *data.test), "bytes": full}}
    bits = bits_of(net, recipe)
    low, _ = qgt.rom_bytes(net, bits)
    snapped = qgt.snap(deepcopy(net), bits)
    replace_relu(snapped, lambda: LSQActivation(recipe.abits))
    with torch.no_grad():
        snapped(x[:100])
    qgt.reestimate(snapped, x.split(50))
    arms["snapped after training"] = scored(snapped, data, bytes=low)
    for name in ("qgt", "lsq"):
        made = train(replace(recipe, method=name), seed=seed, data=data)
        arms[name.upper()] = scored(made.net, data, bytes=low)
    return arms


def switch(seed: int) -> dict[str, Arm]:
    recipe = recipe_of("fashion14", epochs=5)
    data = load(recipe.data)

    def fresh() -> nn.Sequential:
        torch.manual_seed(seed)
        return float_network(recipe, data)

    arms: dict[str, Arm] = {}
    for bits in PRECISIONS:
        net = fresh()
        for _, layer in list(weight_layers(net)):
            quantize_weight(layer, DoReFa(bits, "centered"))
        replace_relu(net, lambda bits=bits: CGPact(bits))
        fit(net, data, epochs=recipe.epochs, rate=recipe.rate, seed=seed)
        arms[f"independent, {bits} bit"] = scored(net, data)
    kinds: dict[str, sw.Distillation] = {"shared BN": "none", "private BN": "none",
                                         "private BN, distilled": "recursive"}  # fmt: skip
    for label, mode in kinds.items():
        net = sw.make_switchable(fresh(), PRECISIONS)
        if label == "shared BN":
            share_norms(net)

        def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, _: float,
                 mode: sw.Distillation = mode) -> torch.Tensor:  # fmt: skip
            return sw.distill(net, x, y, PRECISIONS, mode)

        fit(net, data, epochs=recipe.epochs, rate=recipe.rate, seed=seed, loss=loss)
        for bits in PRECISIONS:
            arms[f"{label}, {bits} bit"] = scored(sw.single(net, bits), data)
    return arms


def share_norms(net: nn.Module) -> None:
    """One BatchNorm for all precisions: what the private ones are compared with."""
    for module in net.modules():
        if isinstance(module, sw.Switch) and isinstance(module.chosen, nn.BatchNorm2d):
            first = module.chosen
            for key in module.options:
                module.options[key] = first
