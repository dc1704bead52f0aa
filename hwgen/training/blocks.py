"""Where a network parts and meets again: sums and concatenations of branches."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """``body(x) + shortcut(x)``; the shortcut is the identity where none is given."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class NoisyResidual(Residual):
    """A residual block that adds noise of N(0, ``sigma``**2) to its sum, in training and where
    ``noisy`` is set: one step of the Feynman-Kac formula (Wang, Yuan, Shi, Osher 2019)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None,
                 sigma: float = 0.1) -> None:  # fmt: skip
        super().__init__(body, shortcut)
        self.sigma, self.noisy = sigma, False

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if self.training or self.noisy:
            y = y + self.sigma * torch.randn_like(y)
        return y


class Concat(nn.Module):
    """The channels of all ``branches`` of ``x``, one after another."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
