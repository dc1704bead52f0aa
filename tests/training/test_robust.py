"""Attacks stay within their budget and do harm; noise is there when asked for; ensembles add up."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from torch import nn
from torch.nn import functional

from hwgen.core.errors import HwgenError
from hwgen.training.blocks import NoisyResidual
from hwgen.training.robust import adversarial, attack, ensemble, set_noise


def linear() -> nn.Module:
    net = nn.Linear(3, 2, bias=False)
    net.weight.data = torch.tensor([[1.0, -2.0, 0.0], [0.0, 1.0, 0.0]])
    return net


def test_one_step_by_hand() -> None:
    """The loss falls with w1 - w0 = (-1, 3, 0) at label 1: each pixel moves against its sign."""
    x = torch.tensor([[0.5, 0.5, 0.5], [0.05, 0.98, 0.0]])
    found = attack(linear(), x, torch.tensor([1, 1]), budget=0.1, steps=1, rate=1.0)
    assert torch.allclose(found, torch.tensor([[0.6, 0.4, 0.5], [0.15, 0.88, 0.0]]))


@pytest.mark.parametrize("random", [False, True])
def test_frames_stay_in_the_box_and_the_loss_rises(random: bool) -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    x, y = torch.rand(40, 8), torch.arange(40) % 3
    net.train()(x)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    found = attack(net, x, y, 0.1, 10, random=random)
    assert net.training and all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert float((found - x).abs().max()) <= 0.1 + 1e-6 and found.min() >= 0 and found.max() <= 1
    net.eval()
    assert functional.cross_entropy(net(found), y) > functional.cross_entropy(net(x), y) + 0.02
    assert float(adversarial(0.1)(net, x, y, 0.0)) > float(functional.cross_entropy(net(x), y))


def test_noise_is_of_the_stated_size() -> None:
    block = NoisyResidual(nn.Identity(), sigma=0.2)
    x = torch.zeros(20_000)
    assert float(block.train()(x).std()) == pytest.approx(0.2, rel=0.03)
    assert torch.equal(block.eval()(x), x)
    assert float(set_noise(block, True)(x).std()) == pytest.approx(0.2, rel=0.03)


def test_an_ensemble_is_the_sum() -> None:
    first, second, x = nn.Linear(3, 2), nn.Linear(3, 2), torch.rand(5, 3)
    assert torch.equal(ensemble(first, second)(x), first(x) + second(x))


def test_mistakes() -> None:
    for budget, steps in ((0.0, 3), (0.1, 0)):
        with pytest.raises(HwgenError, match="HW110"):
            attack(linear(), torch.zeros(1, 3), torch.zeros(1).long(), budget, steps)
