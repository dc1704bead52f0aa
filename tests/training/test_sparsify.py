"""Proximal maps against a brute-force minimum, the two splittings step by step, channel removal."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from torch import nn

from hwgen.core.errors import HwgenError
from hwgen.training import quantizers as q
from hwgen.training import sparsify as s
from hwgen.training.blocks import Concat, Residual
from hwgen.training.prune import read_together, remove_channels
from tests.training.compare import warm_up

RNG = np.random.default_rng(5)
PENALTIES = {
    "l0": (s.prox_l0, lambda u: (u != 0).astype(float)),
    "l1": (s.prox_l1, np.abs),
    "tl1": (s.prox_transformed_l1, lambda u: 2 * np.abs(u) / (1 + np.abs(u))),
}


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("mu", [0.01, 0.2, 0.3, 1.0])
def test_prox_is_the_minimum(name: str, mu: float) -> None:
    make, penalty = PENALTIES[name]
    u = np.concatenate([np.linspace(-4, 4, 800_001), [0.0]])
    for w in RNG.uniform(-3, 3, 12):
        (got,) = make(mu)(torch.tensor([w])).tolist()

        def value(v: np.ndarray, w: float = w) -> np.ndarray:
            return mu * penalty(v) + (w - v) ** 2 / 2

        least = value(u).min()
        assert value(np.array([got]))[0] <= least + 1e-9, (w, got, u[value(u).argmin()])


def test_transformed_l1_with_another_a() -> None:
    u = np.concatenate([np.linspace(-4, 4, 800_001), [0.0]])
    for a, mu, w in RNG.uniform([0.2, 0.01, -3], [5, 2, 3], (30, 3)):
        (got,) = s.prox_transformed_l1(mu, a)(torch.tensor([w])).tolist()
        v = np.append(u, got)
        values = mu * (a + 1) * np.abs(v) / (a + np.abs(v)) + (w - v) ** 2 / 2
        assert values[-1] <= values.min() + 1e-9


def test_group_prox() -> None:
    w = torch.tensor([[3.0, 0.1, 0], [4.0, 0.1, 0]])  # norms of the input channels: 5, 0.14, 0
    assert s.prox_group_l0(0.125)(w).tolist() == [[3, 0, 0], [4, 0, 0]]  # sqrt(2 mu) = 0.5
    assert torch.allclose(s.prox_group_lasso(1.0)(w), torch.tensor([[2.4, 0, 0], [3.2, 0, 0]]))
    kernel = torch.randn(4, 6, 3, 3)
    assert torch.allclose(s.channel_norms(kernel), (kernel**2).sum((0, 2, 3)).sqrt())
    kept = s.keep_channels(0.5)(kernel)
    assert int((s.channel_norms(kept) > 0).sum()) == 3
    strongest = s.channel_norms(kernel).topk(3).indices
    assert torch.equal(kept[:, strongest], kernel[:, strongest])
    assert torch.isclose(s.group_lasso([w]), torch.tensor(5 + 0.02**0.5), atol=1e-3)


def test_projection_looks_at_magnitudes() -> None:
    w = torch.tensor([[-9.0, 1, 2], [-3, 4, 0.5]])
    assert s.keep_weights(0.5)(w).tolist() == [[-9, 0, 0], [-3, 4, 0]]
    assert int((s.keep_weights(0.01)(w) != 0).sum()) == 1
    assert int((s.keep_channels(0.01, least=2)(w).abs().sum(0) > 0).sum()) == 2


def test_relaxed_splitting_by_hand() -> None:
    w = torch.tensor([1.0, 0.1, -0.6], requires_grad=True)
    splitting = s.Splitting(torch.optim.SGD([w], lr=0.5), [w], s.prox_l0(0.125), beta=0.2)
    assert splitting.sparse[0].tolist() == pytest.approx([1, 0, -0.6])
    w.grad = torch.tensor([0.4, 0.0, -0.4])
    splitting.step()  # w -= 0.5 (grad + 0.2 (w - u)); then u = prox(w), which keeps |w| > 0.5
    assert w.tolist() == pytest.approx([0.8, 0.1 - 0.5 * 0.2 * 0.1, -0.4])
    assert splitting.sparse[0].tolist() == pytest.approx([0.8, 0, 0])
    assert splitting.deliver() == pytest.approx(2 / 3) and w.tolist() == pytest.approx([0.8, 0, 0])


def test_admm_by_hand() -> None:
    w = torch.tensor([[1.0, 0.5]], requires_grad=True)
    admm = s.ADMM(torch.optim.SGD([w], lr=1.0), [w], s.keep_weights(0.5), beta=0.1)
    w.grad = torch.zeros(1, 2)
    admm.step()  # w -= 0.1 (w - z + y), z = [1, 0], y = 0
    assert w.tolist() == [pytest.approx([1.0, 0.45])]
    assert admm.sparse[0].tolist() == [pytest.approx([1.0, 0])]
    assert admm.dual[0].tolist() == [pytest.approx([0, 0.45])]
    w.grad = torch.zeros(1, 2)
    admm.step()  # the second weight: 0.45 - 0.1 (0.45 - 0 + 0.45)
    assert w.tolist() == [pytest.approx([1.0, 0.36])]
    assert admm.dual[0].tolist() == [pytest.approx([0, 0.81])]


def test_admm_solves_a_sparse_least_squares_problem() -> None:
    """min |w - c|**2 with one non-zero entry of four: the largest of c stays, exactly."""
    c = torch.tensor([[0.3, -2.0, 1.0, 0.7]])
    w = torch.zeros(1, 4, requires_grad=True)
    admm = s.ADMM(torch.optim.SGD([w], lr=0.1), [w], s.keep_weights(0.25), beta=4.0)
    w.data.copy_(c)
    admm.project()
    for _ in range(300):
        w.grad = 2 * (w.detach() - c)
        admm.step()
    admm.deliver()
    assert torch.allclose(w, torch.tensor([[0, -2.0, 0, 0]]), atol=1e-3)


# Removal of channels


def cut(net: nn.Module, share: float) -> None:
    readers = [m for _, m in q.weight_layers(net)][1:]
    s.one_shot([m.weight for m in readers if isinstance(m, nn.Conv2d)], s.keep_channels(share))


def same(net: nn.Sequential, x: torch.Tensor, removed: int) -> None:
    want = net.double().eval()(x.double())
    assert remove_channels(net) == removed
    assert torch.allclose(net(x.double()), want, rtol=1e-12, atol=1e-12)
    net.train()(x.double())  # still a network that trains


def convolutions() -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
        nn.Linear(24, 10), nn.BatchNorm1d(10), q.CGPact(4), nn.Linear(10, 3),
    )  # fmt: skip
    return warm_up(net, np.random.default_rng(0).random((30, 1, 8, 8), np.float32))


def test_channels_between_convolutions_are_removed() -> None:
    net = convolutions()
    cut(net, 0.5)
    same(net, torch.rand(9, 1, 8, 8), removed=4)
    assert [tuple(m.weight.shape[:2]) for _, m in q.weight_layers(net)] == [
        (4, 1), (6, 4), (10, 24), (3, 10),
    ]  # fmt: skip
    assert net[1].num_features == net[0].out_channels == net[4].in_channels == 4


def test_channels_in_front_of_a_flatten_and_of_dense_layers() -> None:
    net = convolutions()
    with torch.no_grad():
        net[8].weight.view(10, 6, 4)[:, [1, 4]] = 0  # pixels of two channels
        net[8].weight.view(10, 6, 4)[:, 2, :3] = 0  # and all but one of a third, which stays
        net[11].weight[:, 7] = 0
    same(net, torch.rand(9, 1, 8, 8), removed=3)
    assert net[4].out_channels == 4 and net[8].in_features == 16 and net[8].out_features == 9


def test_one_channel_stays_where_all_are_zero() -> None:
    net = convolutions()
    nn.init.zeros_(net[4].weight)
    same(net, torch.rand(9, 1, 8, 8), removed=7)


def test_residual_blocks_shrink_inside() -> None:
    body = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
                         nn.Conv2d(8, 4, 3, padding=1), nn.BatchNorm2d(4))  # fmt: skip
    net = nn.Sequential(nn.Conv2d(1, 4, 3), Residual(body), nn.ReLU(), nn.Conv2d(4, 2, 3))
    with torch.no_grad():
        body[3].weight[:, ::2] = 0
        net[3].weight[:, 0] = 0  # read by the shortcut as well: it must stay
    same(net, torch.rand(9, 1, 8, 8), removed=4)
    assert body[0].out_channels == 4 and net[0].out_channels == 4


def test_channels_of_a_trunk_go_from_every_block() -> None:
    """Two residual blocks and a projection share their channels; readers agree on which go."""

    def block(cut: nn.Module | None = None) -> Residual:
        body = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
                             nn.Conv2d(6, 4, 3, padding=1), nn.BatchNorm2d(4))  # fmt: skip
        return Residual(body, cut)

    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), block(), nn.ReLU(),
        block(nn.Sequential(nn.Conv2d(4, 4, 1, groups=4), nn.BatchNorm2d(4))), nn.ReLU(),
        nn.Conv2d(4, 2, 3),
    )  # fmt: skip
    warm_up(net, np.random.default_rng(0).random((30, 1, 8, 8), np.float32))
    groups = read_together(net)
    # Both bodies and the head read the trunk: the depthwise shortcut keeps its channels apart.
    assert sorted(len(group) for group in groups) == [1, 1, 3]
    trunk = next(group for group in groups if len(group) == 3)
    with torch.no_grad():
        for w, u in zip(trunk, s.joint(s.keep_channels(0.5), list(trunk)), strict=True):
            w.copy_(u)
    assert len({tuple((s.channel_norms(w) > 0).tolist()) for w in trunk}) == 1
    same(net, torch.rand(9, 1, 8, 8), removed=2)
    assert net[0].out_channels == net[1].num_features == 2
    assert net[3].body[3].out_channels == net[5].body[4].num_features == 2
    assert net[5].shortcut[0].groups == net[7].in_channels == 2


def test_a_channel_that_one_reader_of_a_trunk_needs_stays() -> None:
    body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1))
    net = nn.Sequential(nn.Conv2d(1, 4, 3), Residual(body), nn.Conv2d(4, 2, 3))
    with torch.no_grad():
        body[0].weight[:, :3] = 0
        net[2].weight[:, 1:] = 0
    same(net, torch.rand(9, 1, 8, 8), removed=2)  # channel 0 for the head, 3 for the body


def test_concatenated_branches_lose_their_own_channels() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(),
        Concat(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), nn.Conv2d(3, 2, 1),
               nn.Identity()),
        nn.ReLU(), nn.Flatten(), nn.Linear(9 * 36, 5),
    )  # fmt: skip
    warm_up(net, np.random.default_rng(0).random((30, 1, 8, 8), np.float32))
    with torch.no_grad():
        net[5].weight.view(5, 9, 36)[:, [1, 3, 4, 7]] = 0
        net[2].branches[0][0].weight[:, 1] = 0
        net[2].branches[1].weight[:, 1] = 0
    same(net, torch.rand(9, 1, 8, 8), removed=4)  # 7 is channel 1 of the identity's
    assert net[2].branches[0][0].out_channels == 2 and net[2].branches[1].out_channels == 1
    assert net[0].out_channels == 2 and net[5].in_features == 5 * 36


def test_a_whole_chain_goes() -> None:
    """Channel 2 of the last layer's input is not read, so that channel 0 before it is not either."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    with torch.no_grad():
        net[2].weight[:, 2] = 0
        net[1].weight[[0, 1, 3], 0] = 0
    want = net.double()(torch.ones(1, 3).double())
    assert remove_channels(net) == 2
    assert torch.allclose(net(torch.ones(1, 3).double()), want)


def test_splitting_settles_and_resumes() -> None:
    def run(steps: int, state: dict | None = None, w: torch.Tensor | None = None):
        w = torch.tensor([[1.0, 0.4, 0.1], [0.2, 0.5, 0.1]]) if w is None else w
        w = w.clone().requires_grad_()
        for kind in (s.ADMM,):
            split = kind(torch.optim.Adam([w], lr=0.05), [w], s.keep_weights(0.5), 1.0, settle=3)
            if state is not None:
                split.load_state_dict(state)
            for _ in range(steps):
                split.zero_grad()
                ((w - 0.7) ** 2).sum().backward()
                split.step()
        return w.detach(), split.state_dict()

    whole, _ = run(6)
    assert int((whole != 0).sum()) == 3 and (whole[whole != 0] > 0.5).all()
    half, state = run(2)
    assert torch.equal(run(4, state, half)[0], whole)


def test_what_is_not_removed() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    q.quantize_weight(net[0], q.LSQ(2))
    with pytest.raises(HwgenError, match="HW202"):
        remove_channels(net)
    with pytest.raises(HwgenError, match="HW202"):
        remove_channels(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)))
    for share in (0.0, 1.5):
        with pytest.raises(HwgenError, match="HW110"):
            s.keep_channels(share)
