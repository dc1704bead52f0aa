"""Frames made to be misread, and training against them.

IFGSM (Kurakin, Goodfellow, Bengio 2017) and PGD (Madry et al. 2018) repeat
``x' = clip(x' + rate * sign(grad loss), x - budget, x + budget)`` within the frames' range; PGD
starts somewhere in that box. The gradient is the network's own, straight through its quantizers,
and of the network in evaluation mode.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hwgen.core.errors import fail
from hwgen.training.blocks import NoisyResidual, Residual
from hwgen.training.fit import Loss


def attack(net: nn.Module, x: Tensor, y: Tensor, budget: float, steps: int = 20,
           rate: float | None = None, *, random: bool = False) -> Tensor:  # fmt: skip
    """IFGSM's frames for ``x`` in [0, 1] with labels ``y``; PGD's with ``random``.

    ``rate`` is ``2.5 budget / steps`` where none is given. Raises HW110 for no step or budget.
    """
    if budget <= 0 or steps < 1:
        fail(
            "HW110", where="attack", why=f"budget {budget} and {steps} steps", help="both positive"
        )
    rate = 2.5 * budget / steps if rate is None else rate
    was_training = net.training
    net.eval()
    found = x + budget * (2 * torch.rand_like(x) - 1) if random else x.clone()
    for _ in range(steps):
        found = found.clamp(0, 1).requires_grad_()
        (slope,) = torch.autograd.grad(functional.cross_entropy(net(found), y), found)
        found = (found.detach() + rate * slope.sign()).clamp(x - budget, x + budget)
    net.train(was_training)
    return found.clamp(0, 1).detach()


def adversarial(budget: float, steps: int = 3) -> Loss:
    """Cross-entropy of PGD's frames in place of the batch's: adversarial training, for ``fit``."""

    def loss(net: nn.Module, x: Tensor, y: Tensor, _: float) -> Tensor:
        return functional.cross_entropy(net(attack(net, x, y, budget, steps, random=True)), y)

    return loss


def ensemble(first: nn.Module, second: nn.Module) -> Residual:
    """Two networks on one input, their logits added: EnResNet's ensemble of two.

    The sum in place of the mean leaves the decision as it is, and the export one network.
    """
    return Residual(first, second)


def set_noise(net: nn.Module, noisy: bool) -> nn.Module:
    """Switch the noise of every :class:`NoisyResidual` in evaluation; hardware has none."""
    for module in net.modules():
        if isinstance(module, NoisyResidual):
            module.noisy = noisy
    return net
