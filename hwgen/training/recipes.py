"""Networks with their data and training, by name: ``train("digits", method="sat")``.

Seeded, on one thread: the same packages on the same kind of CPU give the same weights. With a
``checkpoint``, state is saved after every epoch and training goes on from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from hwgen.core.errors import fail
from hwgen.training.data import Data, load
from hwgen.training.fit import Progress, accuracy, fit
from hwgen.training.methods import METHODS
from hwgen.training.network import Recipe, float_network
from hwgen.training.switchable import is_switchable, precisions, single

RECIPES = {
    "digits": Recipe("digits", (8, "pool", 16), (), epochs=15),
    "digits-mlp": Recipe("digits", (), (64, 32), epochs=30),
    "mnist14": Recipe("mnist14", (12, "pool", 16, "pool"), (), epochs=8),
    "mnist": Recipe("mnist", (8, "pool", 16, "pool"), (), epochs=6),
    "fashion14": Recipe("fashion14", (12, "pool", 16, "pool"), (), epochs=5, batch=128),
    "fashion": Recipe("fashion", (16, "pool", 32, "pool"), (64,), epochs=4, batch=256),
    "cifar10": Recipe("cifar10", (32, "pool", 64, "pool"), (128,), epochs=12, batch=128),
    "faces": Recipe("faces", (16, "pool", 32, "pool", 32, "pool"), (32,), method="qgt",
                    epochs=40, batch=20),
    "jets": Recipe("jets", (), (64, 32, 32), method="lsq", wbits=6, abits=6, epochs=12),
}  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A trained network, its data, and its accuracy on the test frames in percent: of a network of
    several precisions, at the highest, and ``by_bits`` at each."""

    net: nn.Sequential
    data: Data
    accuracy: float
    seconds: float
    by_bits: dict[int, float]


def recipe_of(name: str, **changes: object) -> Recipe:
    """A recipe by name, with some of its fields changed. A method that is named brings its own
    defaults. Raises HW110."""
    if name not in RECIPES:
        fail("HW110", where="recipe", why=f"there is no {name!r}", help=f"use {', '.join(RECIPES)}")
    method = str(changes.get("method", RECIPES[name].method))
    if method not in METHODS:
        fail("HW110", where="method", why=f"there is no {method!r}",
             help=f"use {', '.join(METHODS)}")  # fmt: skip
    defaults = METHODS[method].defaults if "method" in changes else {}
    try:
        recipe = replace(RECIPES[name], **(dict(defaults) | changes))  # type: ignore[arg-type]
    except TypeError as error:
        fail("HW110", where=name, why=str(error), help=f"fields: {', '.join(vars(RECIPES[name]))}")
    for field, fits, rule in (
        *((f, 1 <= getattr(recipe, f) <= 8, "1 to 8") for f in ("wbits", "abits", "edge_bits")),
        *((f, getattr(recipe, f) >= 1, "at least 1") for f in ("epochs", "batch")),
        *((f, 0 < getattr(recipe, f) <= 1, "above 0 and at most 1") for f in ("rate", "keep")),
        ("accumulator", 2 <= recipe.accumulator <= 32, "2 to 32"),
    ):
        if not fits:
            fail("HW110", where=field, why=f"must be {rule}, not {getattr(recipe, field)}",
                 help=f"{name} has {getattr(RECIPES[name], field)}")  # fmt: skip
    return recipe


def train(recipe: str | Recipe, *, seed: int = 0, checkpoint: str | Path | None = None,
          progress: Progress | None = None, device: str = "cpu", data: Data | None = None,
          **changes: object) -> Trained:  # fmt: skip
    """Train a recipe from scratch by its method.

    ``changes`` replace fields of the recipe (``method="lsq"``, ``wbits=4``); ``data`` stands for
    the recipe's own. ``checkpoint`` is a file: found, training continues after its last epoch and
    ends in the same weights; else it is made. Raises HW110 for a bad name or value, HW112 for a
    checkpoint of another network.
    """
    name = recipe if isinstance(recipe, str) else recipe.data
    recipe = recipe_of(recipe, **changes) if isinstance(recipe, str) else replace(recipe, **changes)  # type: ignore[arg-type]
    data = data or load(recipe.data)
    torch.manual_seed(seed)
    net = float_network(recipe, data)
    course = METHODS[recipe.method].begin(net, recipe, data)
    start = time.perf_counter()
    stepper = fit(net.to(device), data, epochs=recipe.epochs, rate=recipe.rate, batch=recipe.batch,
                  seed=seed, loss=course.loss, wrap=course.wrap, checkpoint=checkpoint,
                  progress=progress, label=f"{name} {recipe.method}",
                  run=f"{recipe}, seed {seed}")  # fmt: skip
    course.finish(stepper)
    net.cpu()
    scores = {}
    if is_switchable(net):
        scores = {k: accuracy(single(net, k), *data.test) for k in precisions(net)}
    score = scores[max(scores)] if scores else accuracy(net, *data.test)
    return Trained(net, data, score, time.perf_counter() - start, scores)
