"""The regulariser's value and pull, snapping, BatchNorm statistics, and the bottleneck report."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from torch import nn

from hwgen.training import qgt
from hwgen.training import quantizers as q


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_scale_is_near_the_best_one(bits: int) -> None:
    w = torch.randn(3, 40)
    lo, hi = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def error(row: np.ndarray, s: float) -> float:
        return float(((np.clip(np.rint(row / s), lo, hi) * s - row) ** 2).sum())

    for row, s in zip(w.double().numpy(), qgt.best_scale(w, bits).flatten().tolist(), strict=True):
        widest = np.abs(row).max() / hi
        best = min(error(row, widest * share) for share in np.linspace(0.05, 1.1, 2000))
        assert error(row, s) <= best * (1.05 if bits <= 4 else 2)


def test_regularizer() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    bits = {"0": 2, "2": 3}
    loss = qgt.regularizer(net, bits)
    terms, pulls = [], []
    for name, k in bits.items():
        w = net[int(name)].weight.detach()
        d = w - qgt.nearest(w, k)
        terms.append((d**2).mean() / (w**2).mean())
        pulls.append(2 * d / (2 * (w**2).sum()))
    assert torch.allclose(loss, sum(terms) / 2, rtol=1e-12)
    got = torch.autograd.grad(loss, [net[0].weight, net[2].weight])
    for g, want in zip(got, pulls, strict=True):
        assert torch.allclose(g, want, rtol=1e-10)
    qgt.snap(net, bits)
    on_grid = nn.Sequential(nn.Linear(6, 4)).double()
    on_grid[0].weight.data.copy_(net[0].weight.detach())
    assert qgt.regularizer(on_grid, {"0": 2}).item() < 1e-20
    assert float(qgt.regularizer(on_grid, {})) == 0


def test_schedule() -> None:
    schedule = qgt.Schedule(1e-2, 10.0, 0.2)
    assert schedule(0) == schedule(0.19) == 0
    assert math.isclose(schedule(0.2), 1e-2) and math.isclose(schedule(1), 10)
    assert math.isclose(schedule(0.6), math.sqrt(1e-2 * 10))


def test_snapping_freezes_the_grid_and_is_idempotent() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    kept = net[2].weight.detach().clone()
    qgt.snap(net, {"0": 2})
    made = q.quantizer_of(net[0]).integers(net[0].parametrizations.weight.original)
    assert set(made.codes.flatten().tolist()) <= {-2, -1, 0, 1}
    assert torch.equal(net[0].weight, net[0].parametrizations.weight.original)
    assert torch.equal(net[2].weight, kept) and q.quantizer_of(net[2]) is None
    qgt.freeze_weights(net)
    free = [name for name, p in net.named_parameters() if p.requires_grad]
    assert free == ["0.bias", "2.weight", "2.bias"]


def test_statistics_are_the_mean_over_batches() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3)).eval()
    batches = torch.randn(5, 40, 3) * 2 + 1
    qgt.reestimate(net, batches)
    assert torch.allclose(net[0].running_mean, batches.mean((0, 1)), atol=1e-5)
    assert torch.allclose(net[0].running_var, batches.var(1).mean(0), atol=1e-5)
    assert net[0].momentum == 0.1 and not net[0].training


def test_reestimation_repairs_what_snapping_shifts() -> None:
    net = nn.Sequential(nn.Linear(20, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    x = torch.randn(400, 20) + 0.5
    net.train()
    for _ in range(50):
        net(x)
    want = net.eval()(x)
    qgt.snap(net, {"0": 2})
    before = ((net(x) - want) ** 2).mean()
    qgt.reestimate(net, [x])
    assert ((net(x) - want) ** 2).mean() < before


def test_the_report_names_the_hostile_layer() -> None:
    """Every output of the middle layer gets one outlier that stretches its grid."""
    net = nn.Sequential(*(nn.Linear(16, 16) for _ in range(5)))
    rng = torch.Generator().manual_seed(4)
    for layer in net:
        signs = torch.randint(0, 2, (16, 16), generator=rng) * 2.0 - 1
        layer.weight.data.copy_(signs * 0.25 + torch.randn(16, 16, generator=rng) * 0.01)
    weight = net[2].weight.data
    weight.copy_(torch.randn(16, 16, generator=rng) * 0.2)
    weight[:, 0] = 3.0
    x = torch.randn(500, 16, generator=rng)
    want = net(x).argmax(1)

    def agreement(net: nn.Module) -> float:
        return float((net(x).argmax(1) == want).float().mean() * 100)

    reports = qgt.bottlenecks(net, {str(i): 2 for i in range(5)}, agreement)
    assert reports[0].name == "2" and reports[0].bottleneck
    assert reports[0].error == max(r.error for r in reports)
    assert q.quantizer_of(net[2]) is None, "the network itself is untouched"


def test_bytes() -> None:
    net = nn.Sequential(nn.Linear(10, 3), nn.Linear(3, 5))
    assert qgt.rom_bytes(net, {"0": 2}) == (8 + 60, 120 + 60)


def test_a_copy_is_snapped_without_touching_the_original() -> None:
    """Copies of parametrized layers share a class with the original."""
    net = nn.Sequential(q.quantize_weight(nn.Linear(6, 4), q.LSQ(8)), nn.ReLU(), nn.Linear(4, 3))
    before = net[0].weight.detach().clone()
    qgt.bottlenecks(net, {"0": 2, "2": 2}, lambda n: float(n[0].weight.detach().abs().sum()))
    assert torch.equal(net[0].weight, before) and isinstance(q.quantizer_of(net[0]), q.LSQ)
