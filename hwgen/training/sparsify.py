"""Sparse weights and fewer channels: proximal steps around any optimizer.

Relaxed splitting (RVSM, Dinh and Xin 2018; its group form RGSM, Dinh et al. 2020) trains
``f(w) + lambda P(u) + beta/2 |w - u|**2``: a gradient step on ``w``, whose gradient has
``beta (w - u)`` added, then ``u = prox(w)``. ADMM adds a dual ``y``: gradient
``rho (w - z + y)``, then ``z = Proj(w + y)`` and ``y += w - z``. What is delivered is sparse:
``u``, or ``Proj(w)`` after ADMM.

A penalty's prox at ``mu = lambda/beta`` minimises ``mu P(u) + (w - u)**2 / 2``. A projection keeps
a share of each layer instead: BatchNorm makes norms of convolutions free of scale, so that one
threshold for all layers empties some of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from hwgen.core.errors import fail

Prox = Callable[[Tensor], Tensor]


def prox_l0(mu: float) -> Prox:
    """Hard threshold: keep ``|w| > sqrt(2 mu)``."""
    return lambda w: w * (w.abs() > math.sqrt(2 * mu))


def prox_l1(mu: float) -> Prox:
    """Soft threshold: ``sign(w) max(|w| - mu, 0)``."""
    return lambda w: w.sign() * (w.abs() - mu).clamp_min(0)


def prox_transformed_l1(mu: float, a: float = 1.0) -> Prox:
    """Of ``P(u) = (a+1)|u| / (a + |u|)`` (Zhang and Xin 2018), in closed form.

    0 up to ``t``, which is ``mu (a+1)/a`` where ``mu <= a**2 / (2(a+1))``, else
    ``sqrt(2 mu (a+1)) - a/2``; beyond it
    ``sign(w) (2/3 (a+|w|) cos(phi/3) - 2a/3 + |w|/3)`` with
    ``phi = arccos(1 - 27 mu a (a+1) / (2 (a+|w|)**3))``.
    """
    small = mu <= a * a / (2 * (a + 1))
    threshold = mu * (a + 1) / a if small else math.sqrt(2 * mu * (a + 1)) - a / 2

    def prox(w: Tensor) -> Tensor:
        size = w.abs()
        phi = (1 - 27 * mu * a * (a + 1) / (2 * (a + size) ** 3)).clamp(-1, 1).arccos()
        kept = 2 / 3 * (a + size) * (phi / 3).cos() - 2 * a / 3 + size / 3
        return torch.where(size > threshold, w.sign() * kept, torch.zeros_like(w))

    return prox


def channel_norms(weight: Tensor) -> Tensor:
    """2-norm of each input channel of ``(O, I)`` or ``(O, I, KH, KW)``: ``(I,)``."""
    return weight.transpose(0, 1).reshape(weight.shape[1], -1).norm(dim=1)


def _on_channels(weight: Tensor, factor: Tensor) -> Tensor:
    return weight * factor.reshape(1, -1, *[1] * (weight.dim() - 2))


def prox_group_l0(mu: float) -> Prox:
    """RGSM: keep the input channels whose 2-norm exceeds ``sqrt(2 mu)``."""
    return lambda w: _on_channels(w, (channel_norms(w) > math.sqrt(2 * mu)).to(w.dtype))


def prox_group_lasso(mu: float) -> Prox:
    """Shrink the 2-norm of every input channel by ``mu``, down to zero."""

    def prox(w: Tensor) -> Tensor:
        norms = channel_norms(w)
        return _on_channels(w, (1 - mu / norms.clamp_min(1e-30)).clamp_min(0))

    return prox


def keep_weights(share: float) -> Prox:
    """Projection: the largest ``share`` of a layer's weights by magnitude, at least one."""
    _check_share(share)

    def project(w: Tensor) -> Tensor:
        flat = torch.zeros(w.numel(), dtype=w.dtype, device=w.device)
        flat[w.abs().flatten().topk(max(1, round(share * w.numel()))).indices] = 1
        return w * flat.reshape(w.shape)

    return project


def keep_channels(share: float, least: int = 1) -> Prox:
    """Projection: the ``share`` of a layer's input channels with the largest 2-norms, at least
    ``least`` of them."""
    _check_share(share)

    def project(w: Tensor) -> Tensor:
        norms = channel_norms(w)
        kept = norms.topk(min(len(norms), max(least, round(share * len(norms))))).indices
        return _on_channels(w, torch.zeros_like(norms).index_fill(0, kept, 1))

    return project


def joint(prox: Prox, weights: list[Tensor]) -> list[Tensor]:
    """``prox`` of several weights that read the same ``I`` channels: of all their filters at once.

    Each is ``(O, I, ...)``; the prox sees ``(sum of O KH KW, I)``.
    """
    flat = [w.movedim(1, -1).reshape(-1, w.shape[1]) for w in weights]
    done = prox(torch.cat(flat)).split([len(part) for part in flat])
    moved = [w.movedim(1, -1).shape for w in weights]
    return [part.reshape(shape).movedim(-1, 1).contiguous()
            for part, shape in zip(done, moved, strict=True)]  # fmt: skip


def group_lasso(weights: Iterable[Tensor]) -> Tensor:
    """RGSM's extra loss: the sum of the 2-norms of all input channels, smoothed at zero."""
    parts = [(w.transpose(0, 1).reshape(w.shape[1], -1).pow(2).sum(1) + 1e-8).sqrt().sum()
             for w in weights]  # fmt: skip
    return torch.stack(parts).sum()


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        fail("HW110", where="sparsify", why=f"the share kept must be in (0, 1], not {share}")


class Splitting:
    """RVSM or RGSM around ``optimizer`` for the given latent weights; used in its place.

    Where weights are read together, as by the two branches behind a sum, give them as one tuple: the
    prox then sees ``(sum of O, I)``. ``beta`` is the pull toward ``u``. With ``settle``, the
    weights become ``u`` at that step, and from then on those that are not zero train alone.
    :meth:`deliver` does the former at the end.
    """

    def __init__(self, optimizer: torch.optim.Optimizer,
                 weights: Iterable[Tensor | tuple[Tensor, ...]], prox: Prox, beta: float = 1e-2,
                 settle: int | None = None) -> None:  # fmt: skip
        self.optimizer, self.prox, self.beta, self.settle = optimizer, prox, beta, settle
        self.groups = [w if isinstance(w, tuple) else (w,) for w in weights]
        self.steps = 0
        with torch.no_grad():
            self.sparse = self._proxes(self.weights)

    @property
    def weights(self) -> list[Tensor]:
        return [w for group in self.groups for w in group]

    def _proxes(self, values: list[Tensor]) -> list[Tensor]:
        """The prox of ``values``, one for each weight, group by group."""
        left, made = iter(values), []
        for group in self.groups:
            own = [next(left) for _ in group]
            made += [self.prox(own[0]).clone()] if len(own) == 1 else joint(self.prox, own)
        return made

    @property
    def settled(self) -> bool:
        return self.settle is not None and self.steps >= self.settle

    def targets(self) -> list[Tensor]:
        """Where each weight is pulled to."""
        return self.sparse

    def zero_grad(self) -> None:
        self.optimizer.zero_grad()

    @torch.no_grad()
    def step(self) -> None:
        if not self.settled:
            for w, target in zip(self.weights, self.targets(), strict=True):
                pull = self.beta * (w - target)
                w.grad = pull if w.grad is None else w.grad + pull
        self.optimizer.step()
        if self.settled:
            for w, u in zip(self.weights, self.sparse, strict=True):
                w *= u != 0
        else:
            self.project()
        self.steps += 1
        if self.steps == self.settle:
            self.deliver()

    def project(self) -> None:
        self.sparse = self._proxes(self.weights)

    def last(self) -> list[Tensor]:
        """What is delivered."""
        return self.sparse

    @torch.no_grad()
    def deliver(self) -> float:
        """Write the sparse copies into the weights; returns the share of zeros."""
        if self.settle is None or self.steps <= self.settle:
            self.sparse = [u.clone() for u in self.last()]
            for w, u in zip(self.weights, self.sparse, strict=True):
                w.copy_(u)
        zeros = sum(int((w == 0).sum()) for w in self.weights)
        return zeros / sum(w.numel() for w in self.weights)

    def state_dict(self) -> dict:
        return {"optimizer": self.optimizer.state_dict(), "steps": self.steps,
                "sparse": self.sparse}  # fmt: skip

    def load_state_dict(self, state: dict) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps, self.sparse = state["steps"], state["sparse"]


class ADMM(Splitting):
    """The same with ADMM's dual; ``prox`` is usually a projection, ``beta`` is ``rho``.

    Delivered is ``Proj(w)``, which is ``z`` once ``w = z``; before that, ``z = Proj(w + y)`` still
    carries the dual along.
    """

    def __init__(self, optimizer: torch.optim.Optimizer,
                 weights: Iterable[Tensor | tuple[Tensor, ...]], prox: Prox, beta: float = 1e-2,
                 settle: int | None = None) -> None:  # fmt: skip
        super().__init__(optimizer, weights, prox, beta, settle)
        self.dual = [torch.zeros_like(w, requires_grad=False) for w in self.weights]

    def targets(self) -> list[Tensor]:
        return [z - y for z, y in zip(self.sparse, self.dual, strict=True)]

    @torch.no_grad()
    def project(self) -> None:
        self.sparse = self._proxes([w + y for w, y in zip(self.weights, self.dual, strict=True)])
        for w, z, y in zip(self.weights, self.sparse, self.dual, strict=True):
            y += w - z

    def last(self) -> list[Tensor]:
        return self._proxes(self.weights)

    def state_dict(self) -> dict:
        return super().state_dict() | {"dual": self.dual}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.dual = state["dual"]


def one_shot(weights: Iterable[Tensor], prox: Prox) -> None:
    """Cut at once, without training for it: what the methods above are compared with."""
    with torch.no_grad():
        for w in weights:
            w.copy_(prox(w))
