"""Training methods by name: what each puts on a float network, and what it does in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hwgen.training import qgt, sparsify, switchable
from hwgen.training.a2q import A2Q, penalty
from hwgen.training.activations import LSQActivation
from hwgen.training.data import Data
from hwgen.training.fit import Loss, Stepper, Wrap
from hwgen.training.network import Recipe
from hwgen.training.prune import remove_channels
from hwgen.training.quantizers import activation, quantize_weight, weight_layers, weight_quantizer
from hwgen.training.sat import rescale

PRECISIONS = (8, 4, 2)
SETTLED = 0.6  # of training: then what is pruned is gone, and the rest trains on
MEASURED = 1000  # training frames that BatchNorm statistics are taken from


def nothing(_: Stepper) -> None:
    """What most methods have to do at the end."""


@dataclass(frozen=True)
class Course:
    """How to :func:`fit.fit` a network, and what to do with it then."""

    loss: Loss | None = None
    wrap: Wrap | None = None
    finish: Callable[[Stepper], None] = nothing


@dataclass(frozen=True)
class Method:
    """``begin`` puts quantizers on a float network; ``defaults`` go before the recipe's fields."""

    begin: Callable[[nn.Sequential, Recipe, Data], Course]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def replace_relu(net: nn.Sequential, make: Callable[[], nn.Module]) -> None:
    """An activation quantizer in place of every ReLU."""
    for i, module in enumerate(net):
        if isinstance(module, nn.ReLU):
            net[i] = make()


def bits_of(net: nn.Module, recipe: Recipe) -> dict[str, int]:
    """Weight bits by layer: ``edge_bits`` for the first and last, ``wbits`` for the others."""
    names = [name for name, _ in weight_layers(net)]
    return dict.fromkeys(names, recipe.wbits) | dict.fromkeys((names[0], names[-1]),
                                                              recipe.edge_bits)  # fmt: skip


def quantizers(weight: str, active: str, *, sat: bool = False, **defaults: int) -> Method:
    """Quantizers on from the first step; the first and last layers on DoReFa's grid where
    ``weight`` has one or two bits and no more."""

    def begin(net: nn.Sequential, recipe: Recipe, _: Data) -> Course:
        bits = bits_of(net, recipe)
        edge = "dorefa" if weight in ("ternary", "xnor") else weight
        names = list(bits)
        for name, layer in list(weight_layers(net)):
            chosen = edge if name in (names[0], names[-1]) else weight
            quantize_weight(layer, weight_quantizer(chosen, bits[name], layer.weight.shape[0]))
        replace_relu(net, lambda: activation(active, recipe.abits))
        if sat:
            rescale(net)
        return Course()

    return Method(begin, defaults)


def _frames(data: Data) -> tuple[Tensor, ...]:
    return torch.from_numpy(data.train[0][:MEASURED]).split(250)


def _snap(net: nn.Sequential, recipe: Recipe, data: Data) -> None:
    device = next(net.parameters()).device
    qgt.snap(net, bits_of(net, recipe))
    qgt.reestimate(net, [x.to(device) for x in _frames(data)])


def guided(net: nn.Sequential, recipe: Recipe, data: Data) -> Course:
    """QGT: float weights, pulled to their grids; snapped at the end."""
    replace_relu(net, lambda: LSQActivation(recipe.abits))
    inner, schedule = dict(list(bits_of(net, recipe).items())[1:-1]), qgt.Schedule()

    def loss(net: nn.Module, x: Tensor, y: Tensor, t: float) -> Tensor:
        return nn.functional.cross_entropy(net(x), y) + schedule(t) * qgt.regularizer(net, inner)

    return Course(loss, finish=lambda _: _snap(net, recipe, data))


def sparse(kind: type[sparsify.Splitting], prox: Callable[[float], sparsify.Prox],
           active: str = "lsq") -> Callable[[nn.Sequential, Recipe, Data], Course]:  # fmt: skip
    """Splitting on all inner layers, then training of what is left; channels really go."""

    def begin(net: nn.Sequential, recipe: Recipe, data: Data) -> Course:
        replace_relu(net, lambda: activation(active, recipe.abits))
        inner = [layer.weight for _, layer in weight_layers(net)][1:-1]

        def wrap(optimizer: torch.optim.Optimizer, steps: int) -> Stepper:
            return kind(optimizer, inner, prox(recipe.keep), 1.0, settle=round(SETTLED * steps))

        def finish(stepper: Stepper) -> None:
            assert isinstance(stepper, sparsify.Splitting)
            stepper.deliver()
            remove_channels(net)
            _snap(net, recipe, data)

        return Course(wrap=wrap, finish=finish)

    return begin


def switched(net: nn.Sequential, _: Recipe, __: Data) -> Course:
    """One network at 8, 4 and 2 bits, each precision with its own loss."""
    switchable.make_switchable(net, PRECISIONS)
    return Course(lambda net, x, y, _: switchable.distill(net, x, y, PRECISIONS, "none"))


def bounded(plus: bool) -> Callable[[nn.Sequential, Recipe, Data], Course]:
    """Accumulators of promised width behind activations of ``abits``; as many bits more in the
    first layer as its input is wider."""

    def begin(net: nn.Sequential, recipe: Recipe, data: Data) -> Course:
        replace_relu(net, lambda: LSQActivation(recipe.abits))
        layers = list(weight_layers(net))
        for name, layer in layers:
            inputs = data.bits if name == layers[0][0] else recipe.abits
            wide = recipe.accumulator + inputs - recipe.abits
            quantize_weight(layer, A2Q(bits_of(net, recipe)[name], layer.weight.shape[0],
                                       inputs=inputs, accumulator=wide, plus=plus))  # fmt: skip
        return Course(lambda net, x, y, _: nn.functional.cross_entropy(net(x), y)
                      + 1e-3 * penalty(net))  # fmt: skip

    return begin


METHODS: dict[str, Method] = {
    "dorefa": quantizers("dorefa", "dorefa"),
    "pact": quantizers("dorefa", "pact"),
    "cg-pact": quantizers("dorefa", "cg-pact"),
    "sat": quantizers("dorefa", "cg-pact", sat=True),
    "sat-centered": quantizers("dorefa-centered", "cg-pact", sat=True),
    "lsq": quantizers("lsq", "lsq"),
    "lsq+": quantizers("lsq+", "lsq+"),
    "tqt": quantizers("tqt", "tqt"),
    "n2uq": quantizers("lsq", "n2uq"),
    "hwgq": quantizers("lsq", "hwgq"),
    "ternary": quantizers("ternary", "lsq"),
    "xnor": quantizers("xnor", "sign", wbits=1, abits=1),
    "qgt": Method(guided, {"abits": 4}),
    "rvsm": Method(sparse(sparsify.Splitting, sparsify.keep_weights),
                   {"wbits": 8, "abits": 4, "keep": 0.2}),
    "admm": Method(sparse(sparsify.ADMM, sparsify.keep_weights),
                   {"wbits": 8, "abits": 4, "keep": 0.2}),
    "rgsm": Method(sparse(sparsify.Splitting, sparsify.keep_channels), {"wbits": 8, "abits": 4}),
    "rvscgd": Method(sparse(sparsify.Splitting, sparsify.keep_weights, "step"),
                     {"wbits": 8, "abits": 1, "keep": 0.2}),
    "sp-net": Method(switched),
    "a2q": Method(bounded(plus=False), {"wbits": 4, "abits": 4}),
    "a2q+": Method(bounded(plus=True), {"wbits": 4, "abits": 4}),
}  # fmt: skip
