"""Networks with their data and training, by name: ``train("digits", method="sat")``.

Seeded, on one thread: the same packages on the same kind of CPU give the same weights. With a
``checkpoint``, state is saved after every epoch and training goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.data import Data, load
from hwgen.training.export import to_onnx
from hwgen.training.quantizers import (
    FixedPoint,
    activation,
    clamp_latent,
    quantize_weight,
    weight_layers,
    weight_quantizer,
)
from hwgen.training.sat import rescale

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """A network for a data set. ``layers``: convolution channels, "pool", then dense widths.

    ``method`` names the quantizers (:data:`METHODS`). Inner weights have ``wbits`` bits, the first
    and last ``edge_bits``, activations ``abits``; Adam starts at ``rate``.
    """

    data: str
    convolutions: tuple[int | str, ...]
    dense: tuple[int, ...]
    method: str = "sat"
    wbits: int = 2
    abits: int = 2
    edge_bits: int = 8
    epochs: int = 20
    rate: float = 2e-3
    batch: int = 64


@dataclass(frozen=True)
class Method:
    """Quantizers by name, and whether layers without BatchNorm are rescaled."""

    weight: str
    activation: str
    sat: bool = False


METHODS = {
    "dorefa": Method("dorefa", "dorefa"),
    "pact": Method("dorefa", "pact"),
    "cg-pact": Method("dorefa", "cg-pact"),
    "sat": Method("dorefa", "cg-pact", sat=True),
    "sat-centered": Method("dorefa-centered", "cg-pact", sat=True),
    "lsq": Method("lsq", "lsq"),
    "tqt": Method("tqt", "tqt"),
    "n2uq": Method("lsq", "n2uq"),
    "hwgq": Method("lsq", "hwgq"),
    "ternary": Method("ternary", "lsq"),
    "xnor": Method("xnor", "sign"),
}

RECIPES = {
    "digits": Recipe("digits", (8, "pool", 16), (), epochs=15),
    "digits-mlp": Recipe("digits", (), (64, 32), epochs=30),
    "mnist14": Recipe("mnist14", (12, "pool", 16, "pool"), (), epochs=8),
    "mnist": Recipe("mnist", (8, "pool", 16, "pool"), (), epochs=6),
    "fashion": Recipe("fashion", (16, "pool", 32, "pool"), (64,), epochs=4, batch=256),
    "cifar10": Recipe("cifar10", (32, "pool", 64, "pool"), (128,), epochs=12, batch=128),
}


@dataclass(frozen=True)
class Trained:
    """A trained network, its data, and its accuracy on the test frames in percent."""

    net: nn.Sequential
    data: Data
    accuracy: float
    seconds: float


def recipe_of(name: str, **changes: object) -> Recipe:
    """A recipe by name, with some of its fields changed. Raises HW110."""
    if name not in RECIPES:
        fail("HW110", where="recipe", why=f"there is no {name!r}", help=f"use {', '.join(RECIPES)}")
    try:
        recipe = replace(RECIPES[name], **changes)  # type: ignore[arg-type]
    except TypeError as error:
        fail("HW110", where=name, why=str(error), help=f"fields: {', '.join(vars(RECIPES[name]))}")
    if recipe.method not in METHODS:
        fail("HW110", where="method", why=f"there is no {recipe.method!r}",
             help=f"use {', '.join(METHODS)}")  # fmt: skip
    for field, fits, rule in (
        *((f, 1 <= getattr(recipe, f) <= 8, "1 to 8") for f in ("wbits", "abits", "edge_bits")),
        *((f, getattr(recipe, f) >= 1, "at least 1") for f in ("epochs", "batch")),
        ("rate", 0 < recipe.rate <= 1, "above 0 and at most 1"),
    ):
        if not fits:
            fail("HW110", where=field, why=f"must be {rule}, not {getattr(recipe, field)}",
                 help=f"{name} has {getattr(RECIPES[name], field)}")  # fmt: skip
    return recipe


def float_network(recipe: Recipe, data: Data) -> nn.Sequential:
    """The network in floating point: its input on the data's grid, ReLU, BatchNorm, 3x3 kernels."""
    net: list[nn.Module] = [FixedPoint(data.bits, data.step)]
    channels, height, width = data.shape
    for layer in recipe.convolutions:
        if layer == "pool":
            net.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        else:
            outputs = int(layer)
            net += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
                    nn.BatchNorm2d(outputs), nn.ReLU()]  # fmt: skip
            channels = outputs
    net.append(nn.Flatten())
    inputs = channels * height * width
    for outputs in recipe.dense:
        net += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*net, nn.Linear(inputs, data.classes))


def quantized(recipe: Recipe, net: nn.Sequential) -> nn.Sequential:
    """Put the recipe's quantizers on a float network: on each weight, in place of each ReLU.

    The first and last weights have ``edge_bits`` bits on the method's grid, or on DoReFa's where
    the method has one or two bits and no more.
    """
    method = METHODS[recipe.method]
    layers = [layer for _, layer in weight_layers(net)]
    edge = "dorefa" if method.weight in ("ternary", "xnor") else method.weight
    for layer in layers:
        outer = layer is layers[0] or layer is layers[-1]
        name, bits = (edge, recipe.edge_bits) if outer else (method.weight, recipe.wbits)
        quantize_weight(layer, weight_quantizer(name, bits, layer.weight.shape[0]))
    for i, module in enumerate(net):
        if isinstance(module, nn.ReLU):
            net[i] = activation(method.activation, recipe.abits)
    if method.sat:
        rescale(net)
    return net


def train(recipe: str | Recipe, *, seed: int = 0, checkpoint: str | Path | None = None,
          progress: Progress | None = None, device: str = "cpu",
          **changes: object) -> Trained:  # fmt: skip
    """Train a recipe from scratch with its quantizers on.

    ``changes`` replace fields of the recipe (``method="lsq"``, ``wbits=4``). ``checkpoint`` is a
    file: found, training continues after its last epoch and ends in the same weights; else it is
    made. Raises HW110 for a bad name or value, HW112 for a checkpoint of another network.
    """
    name = recipe if isinstance(recipe, str) else recipe.data
    recipe = recipe_of(recipe, **changes) if isinstance(recipe, str) else replace(recipe, **changes)  # type: ignore[arg-type]
    data = load(recipe.data)
    torch.manual_seed(seed)
    net = quantized(recipe, float_network(recipe, data)).to(device)
    start = time.perf_counter()
    fit(net, data, epochs=recipe.epochs, rate=recipe.rate, batch=recipe.batch, seed=seed,
        checkpoint=checkpoint, progress=progress, label=f"{name} {recipe.method}",
        run=f"{recipe}, seed {seed}")  # fmt: skip
    score = accuracy(net, *data.test)
    return Trained(net.cpu(), data, score, time.perf_counter() - start)


def fit(net: nn.Module, data: Data, *, epochs: int, rate: float, batch: int = 64, seed: int = 0,
        loss: Callable[[nn.Module, Tensor, Tensor, float], Tensor] | None = None,
        step: Callable[[torch.optim.Optimizer], None] | None = None,
        checkpoint: str | Path | None = None, progress: Progress | None = None,
        label: str = "", run: str = "") -> torch.optim.Optimizer:  # fmt: skip
    """Adam with a cosine schedule per step; the loss is cross-entropy where none is given.

    ``loss(net, x, y, t)`` sees how far training is, ``t`` in [0, 1). ``step(optimizer)`` replaces
    ``optimizer.step()``. ``run`` names the run in its checkpoint, so that no other goes on
    from it. Batches are drawn from ``seed`` and the epoch alone, so that a resumed run
    sees the same ones.
    """
    device = next(net.parameters()).device
    x, y = (torch.from_numpy(a).to(device) for a in data.train)
    with torch.no_grad():  # quantizers that start from data do so before the optimizer is made
        net.train()(x[:batch])
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=rate)
    steps = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    first = _resume(checkpoint, net, optimizer, schedule, run)
    for epoch in range(first, epochs):
        net.train()
        total, draw = 0.0, torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(x), generator=draw).to(device)
        for i, chosen in enumerate(order.split(batch)):
            t = (epoch + i * batch / len(x)) / epochs
            cost = (nn.functional.cross_entropy(net(x[chosen]), y[chosen]) if loss is None
                    else loss(net, x[chosen], y[chosen], t))  # fmt: skip
            optimizer.zero_grad()
            cost.backward()
            optimizer.step() if step is None else step(optimizer)
            clamp_latent(net)
            schedule.step()
            total += float(cost.detach()) * len(chosen)
        if checkpoint is not None:
            _save(Path(checkpoint), net, optimizer, schedule, epoch + 1, run)
        if progress is not None:
            progress(f"{label} epoch {epoch + 1}/{epochs}: loss {total / len(x):.3f}")
    return optimizer


def _save(path: Path, net: nn.Module, *others: object) -> None:
    """State dictionaries and numbers only; the file appears whole or not at all."""
    optimizer, schedule, epoch, run = others
    part = path.with_name(path.name + ".part")
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(),  # type: ignore[attr-defined]
                "schedule": schedule.state_dict(), "epoch": epoch, "run": run},
               part)  # type: ignore[attr-defined]  # fmt: skip
    part.replace(path)


def _resume(path: str | Path | None, net: nn.Module, optimizer: torch.optim.Optimizer,
            schedule: torch.optim.lr_scheduler.LRScheduler, run: str) -> int:  # fmt: skip
    """The epoch to begin with, once the checkpoint is loaded; 0 without one."""
    if path is None or not Path(path).exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["run"] != run:
            raise ValueError(f"it belongs to {state['run']}")
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        return int(state["epoch"])
    except Exception as error:  # torch.load raises many kinds for a file that is none of ours
        fail("HW112", where=str(path), why=f"no checkpoint of this network: {str(error)[:200]}",
             help="delete it, or name another file")  # fmt: skip


@torch.no_grad()
def accuracy(net: nn.Module, x: np.ndarray, y: np.ndarray, batch: int = 500) -> float:
    """Percent of frames whose greatest output is their label, in evaluation mode."""
    net.eval()
    device = next(net.parameters()).device
    parts = [net(torch.from_numpy(part).to(device)).argmax(1).cpu()
             for part in np.array_split(x, -(-len(x) // batch))]  # fmt: skip
    return float((torch.cat(parts).numpy() == y).mean() * 100)


def integer_accuracy(net: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """The same of the integers: exported, lifted and run by hwgen's NumPy reference."""
    from hwgen.frontends import lift, source_of
    from hwgen.ir.execute import run_frames

    graph = lift(source_of(to_onnx(net, x.shape[1:])))
    (outputs,) = run_frames(graph, {"x": x}).values()
    return float((outputs.argmax(1) == y).mean() * 100)
