"""One network, several precisions: what is shared, what is private, and each of them alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from torch import nn
from torch.nn import functional

from hwgen.cli import main
from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, source_of, widths
from hwgen.frontends.select import select_output
from hwgen.ir.execute import run_frames
from hwgen.training import quantizers as q
from hwgen.training import switchable as sw
from hwgen.training.export import to_onnx
from tests.training.compare import compare

PRECISIONS = (8, 4, 2)


def network() -> nn.Sequential:
    net = nn.Sequential(
        q.FixedPoint(4, 1 / 16), nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(80, 3),
    )  # fmt: skip

    def clip(bits: int) -> nn.Module:
        return q.CGPact(bits, 2.0 + bits / 8)

    return sw.make_switchable(net, PRECISIONS, activation=clip)


def frames() -> np.ndarray:
    return (np.random.default_rng(3).integers(0, 16, (40, 2, 8, 8)) / 16).astype(np.float32)


def trained() -> nn.Sequential:
    net, x = network(), torch.from_numpy(frames())
    y = (x.sum((1, 2, 3)) * 3).long() % 3
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(5):
        optimizer.zero_grad()
        sw.distill(net.train(), x, y, PRECISIONS).backward()
        optimizer.step()
    return net


@pytest.mark.parametrize("bits", PRECISIONS)
def test_each_precision_alone_is_the_network_switched_to_it(bits: int) -> None:
    net = trained()
    alone = sw.single(net, bits)
    x = torch.from_numpy(frames())
    with torch.no_grad():
        assert torch.equal(alone.eval()(x), sw.set_bits(net, bits).eval()(x))
    assert not any(isinstance(m, (sw.Switch, sw.SwitchWeight)) for m in alone.modules())
    assert compare(alone, frames()).near <= 2


@pytest.mark.parametrize("scheme", sw.SCHEMES)
def test_every_scheme_down_to_one_bit(scheme: str) -> None:
    """One bit: the weights' signs; the activations have two levels."""
    net = nn.Sequential(
        q.FixedPoint(4, 1 / 16), nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(),
        nn.Flatten(), nn.Linear(180, 3),
    )  # fmt: skip
    sw.make_switchable(net, (4, 2, 1), scheme=scheme)
    x = torch.from_numpy(frames())
    for bits in (4, 2, 1):
        with torch.no_grad():
            for _ in range(3):
                sw.set_bits(net, bits).train()(x)
        alone = sw.single(net, bits)
        assert compare(alone, frames()).near <= 4
        levels = 2 if bits == 1 else 2**bits
        assert len(alone[1].weight[0].unique()) <= levels
    assert isinstance(q.quantizer_of(sw.single(net, 1)[1]), q.Binary)


def test_codes_of_lower_precisions_are_the_upper_bits() -> None:
    net = trained()
    latent = net[1].parametrizations.weight.original
    codes = {}
    for bits in PRECISIONS:
        sw.set_bits(net, bits)
        codes[bits] = q.quantizer_of(net[1]).integers(latent).codes.numpy()
    for bits in (4, 2):  # odd codes 2i + 1 - 2**k: the index i is nested
        assert np.array_equal((codes[8] + 255) // 2 >> (8 - bits), (codes[bits] + 2**bits - 1) // 2)


def test_what_is_private_and_what_is_shared() -> None:
    net, x = trained(), torch.from_numpy(frames())
    norms = net[2].options
    assert len({id(norms[k]) for k in norms}) == 3
    before = {k: norms[k].running_mean.clone() for k in norms}
    sw.set_bits(net, 4).train()(x)
    moved = {k for k in norms if not torch.equal(norms[k].running_mean, before[k])}
    assert moved == {"4"}
    names = [name for name, _ in net.named_parameters() if "original" in name]
    assert names == ["1.parametrizations.weight.original", "6.parametrizations.weight.original"]


@pytest.mark.parametrize("mode", ["none", "top", "recursive"])
def test_the_loss_is_the_stated_sum(mode: sw.Distillation) -> None:
    net = network().train()
    x, y = torch.from_numpy(frames()), torch.arange(40) % 3
    got = sw.distill(net, x, y, PRECISIONS, mode, weight=0.7, temperature=2.0)
    logits = {k: sw.set_bits(net, k)(x) for k in PRECISIONS}
    hard = {k: functional.cross_entropy(logits[k], y) for k in PRECISIONS}
    if mode == "none":
        want = sum(hard.values())
    else:
        teachers = {4: 8, 2: 4 if mode == "recursive" else 8}
        want = hard[8]
        for k, teacher in teachers.items():
            p = (logits[teacher].detach() / 2).softmax(1)
            kl = (p * (p.log() - (logits[k] / 2).log_softmax(1))).sum(1).mean()
            want = want + 0.3 * hard[k] + 0.7 * 4 * kl
    assert torch.allclose(got, want, rtol=1e-5)


def test_gradients_of_all_precisions_add_up() -> None:
    net = network().train()
    x, y = torch.from_numpy(frames()), torch.arange(40) % 3
    sw.distill(net, x, y, PRECISIONS, "none").backward()
    got = net[1].parametrizations.weight.original.grad.clone()
    net.zero_grad()
    for bits in PRECISIONS:
        functional.cross_entropy(sw.set_bits(net, bits)(x), y).backward()
    assert torch.allclose(got, net[1].parametrizations.weight.original.grad, atol=1e-6)


def test_the_teacher_gets_no_gradient() -> None:
    net = network().train()
    x, y = torch.from_numpy(frames()), torch.arange(40) % 3
    loss = sw.distill(net, x, y, (4, 2), "top")
    sw.set_bits(net, 4)
    alpha = net[3].options["4"].alpha
    (with_student,) = torch.autograd.grad(loss, alpha)
    (own,) = torch.autograd.grad(functional.cross_entropy(net(x), y), alpha)
    assert torch.allclose(with_student, own, atol=1e-7)


def test_lsq_and_layers_that_keep_their_weights() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    q.quantize_weight(net[3], q.LSQ(8))
    sw.make_switchable(net, (4, 2), q.LSQ, q.LSQActivation, keep=["3"])
    assert isinstance(q.quantizer_of(net[3]), q.LSQ)
    assert isinstance(q.quantizer_of(sw.single(net, 2)[0]), q.LSQ)


def test_mistakes() -> None:
    with pytest.raises(HwgenError, match="HW110"):
        sw.set_bits(network(), 3)
    with pytest.raises(HwgenError, match="HW110"):
        sw.make_switchable(nn.Sequential(nn.Linear(2, 2)), (4,))
    with pytest.raises(HwgenError, match="HW110"):
        sw.make_switchable(nn.Sequential(nn.Linear(2, 2)), (4, 2), scheme="best")


def test_one_export_holds_all_precisions_and_each_builds_alone(tmp_path) -> None:
    """Each output is the network switched to it: the same graph as of that precision's own file."""
    net, x = trained(), frames()
    model = sw.to_onnx_all(net, (2, 8, 8), "net")
    assert [value.name for value in model.graph.output] == ["y8", "y4", "y2"]
    source = source_of(model)
    whole = run_frames(lift(source), {"x": x})
    for bits in PRECISIONS:
        own = lift(source_of(to_onnx(sw.single(net, bits), (2, 8, 8), "net")))
        part = lift(select_output(source, f"y{bits}"))
        assert [type(n.op) for n in part.nodes] == [type(n.op) for n in own.nodes]
        (want,) = run_frames(own, {"x": x}, raw=True).values()
        np.testing.assert_array_equal(run_frames(part, {"x": x}, raw=True)[f"y{bits}"], want)
        (real,) = run_frames(own, {"x": x}).values()
        np.testing.assert_array_equal(whole[f"y{bits}"], real)
        assert [pair for _, *pair in widths(part)] == [pair for _, *pair in widths(own)]
        assert widths(part)[-1][2] == bits
    names = [tensor.name for tensor in model.graph.initializer]
    single = [to_onnx(sw.single(net, bits), (2, 8, 8)) for bits in PRECISIONS]
    assert len(names) == len(set(names)) < sum(len(one.graph.initializer) for one in single)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert main(["inspect", str(path), "--output-name", "y4", "--wbits", "4"]) == 0
    assert main(["inspect", str(path), "--output-name", "y3"]) == 2
    with pytest.raises(HwgenError, match="HW110"):
        sw.to_onnx_all(nn.Sequential(nn.Linear(2, 2)), (2,))
