"""Quantization-guided training: pull float weights to low-bit grids, then snap.

QGT (Ghamari et al. 2021, arXiv 2103.06231) trains without straight-through estimators; only its
abstract's outline is followed, and the formulas here are this project's, near to the MSQE
regularisation of Choi, El-Khamy and Lee (2018):

``loss = task + lambda(t) * mean over layers l of mean((w_l - Q_l(w_l))**2) / mean(w_l**2)``

with both ``Q_l(w)`` and the denominator detached. ``Q_l`` is the uniform quantizer of least squared
error, one scale per output channel, found anew at every step. Afterwards :func:`snap` fixes each
weight on its grid and :func:`reestimate` measures the BatchNorm statistics again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hwgen.training.grid import limits, per_row, positive, rows
from hwgen.training.quantizers import WeightLayer, quantize_weight, quantizer_of, weight_layers
from hwgen.training.weights import Fixed

CANDIDATES = 24


@torch.no_grad()
def best_scale(weight: Tensor, bits: int) -> Tensor:
    """Scale per output channel, broadcastable to ``weight``, of nearly the least squared error.

    Two's-complement codes. Of 24 scales between 1/4 and 1 of the one that spans the greatest
    magnitude the best is taken, and then fitted to its codes: ``<w, q> / <q, q>``. Up to 4 bits the
    error is within some percent of the least; at 8, where it hardly matters, within a factor of 2.
    """
    w = rows(weight)
    lo, hi = limits(bits, signed=True)
    widest = positive(w.abs().amax(1) / max(hi, 1))
    shares = torch.linspace(0.25, 1, CANDIDATES, dtype=w.dtype, device=w.device)
    scales = widest[:, None] * shares  # (O, S)
    q = (w[:, None] / scales[..., None]).round().clamp(lo, hi)
    error = ((q * scales[..., None] - w[:, None]) ** 2).sum(2)
    chosen = error.argmin(1)
    best = scales[torch.arange(len(w)), chosen]
    q = q[torch.arange(len(w)), chosen]
    power = (q * q).sum(1)
    fitted = torch.where(power > 0, (w * q).sum(1) / positive(power), best)
    return per_row(positive(fitted), weight)


@torch.no_grad()
def nearest(weight: Tensor, bits: int) -> Tensor:
    """``weight`` on its grid of least error."""
    return Fixed(bits, best_scale(weight, bits))(weight)


@torch.no_grad()
def relative_error(weight: Tensor, bits: int) -> float:
    """``|w - Q(w)|**2 / |w|**2``."""
    return float(((weight - nearest(weight, bits)) ** 2).sum() / positive((weight**2).sum()))


def regularizer(net: nn.Module, bits: Mapping[str, int]) -> Tensor:
    """The mean of the relative errors of the layers that ``bits`` names; differentiable.

    Its gradient, ``2 (w - Q(w)) / (L |w|**2)``, points away from the nearest level.
    """
    terms = [
        ((layer.weight - nearest(layer.weight, bits[name])) ** 2).mean()
        / positive((layer.weight.detach() ** 2).mean())
        for name, layer in weight_layers(net)
        if name in bits
    ]
    return torch.stack(terms).mean() if terms else torch.zeros(())


@dataclass(frozen=True)
class Schedule:
    """lambda over training, ``t`` in [0, 1]: zero in the warm-up, then geometric."""

    first: float = 3e-2
    last: float = 30.0
    warmup: float = 0.1

    def __call__(self, t: float) -> float:
        if t < self.warmup:
            return 0.0
        share = (t - self.warmup) / (1 - self.warmup)
        return self.first * (self.last / self.first) ** share


def snap(net: nn.Module, bits: Mapping[str, int]) -> nn.Module:
    """Put the named layers on their grids for good: :class:`Fixed` on each; returns ``net``."""
    for name, layer in weight_layers(net):
        if name in bits:
            _snap(layer, bits[name])
    return net


@torch.no_grad()
def _snap(layer: WeightLayer, bits: int) -> None:
    fixed = Fixed(bits, best_scale(layer.weight, bits))
    layer.weight.copy_(fixed(layer.weight))
    quantize_weight(layer, fixed)


def freeze_weights(net: nn.Module) -> None:
    """Stop training the latent weights of quantized layers; BatchNorm and biases stay free."""
    for _, layer in weight_layers(net):
        if quantizer_of(layer) is not None:
            layer.parametrizations["weight"].original.requires_grad_(False)  # type: ignore[index]


@torch.no_grad()
def reestimate(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure BatchNorm statistics anew, as the plain mean over ``batches``."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    was_training = net.training
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    for batch in batches:
        net(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.train(was_training)


@dataclass(frozen=True)
class LayerReport:
    """How one layer takes its bits: relative squared error, and what snapping it alone costs."""

    name: str
    bits: int
    error: float
    drop: float
    bottleneck: bool


def bottlenecks(
    net: nn.Module, bits: Mapping[str, int], accuracy: Callable[[nn.Module], float]
) -> list[LayerReport]:
    """The layers that ``bits`` names, the worst first.

    ``accuracy`` in percent. A layer is a bottleneck where its relative error is above twice the
    median, or where snapping it alone costs more than half a point. What helps, in this order: one
    bit more, a scale per channel, a wider layer.
    """
    base = accuracy(net)
    found = []
    for name, layer in weight_layers(net):
        if name in bits:
            error = relative_error(layer.weight, bits[name])
            alone = snap(deepcopy(net), {name: bits[name]})
            found.append((name, error, base - accuracy(alone)))
    median = float(torch.tensor([error for _, error, _ in found] or [0.0]).median())
    reports = [
        LayerReport(name, bits[name], error, drop, error > 2 * median or drop > 0.5)
        for name, error, drop in found
    ]
    return sorted(reports, key=lambda r: (r.drop, r.error), reverse=True)


def rom_bytes(net: nn.Module, bits: Mapping[str, int]) -> tuple[int, int]:
    """Bytes of all weights at the given bits (32 where none are given), and at 32 bits."""
    sizes = {name: layer.weight.numel() for name, layer in weight_layers(net)}
    low = sum(-(-size * bits.get(name, 32) // 8) for name, size in sizes.items())
    return low, 4 * sum(sizes.values())
