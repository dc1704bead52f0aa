"""Scale-adjusted training: the factors, the layers they apply to, and codes that stay."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from torch import nn

from hwgen.core.errors import HwgenError
from hwgen.training import quantizers as q
from hwgen.training.sat import Rescaled, rescale, without_norm


@pytest.mark.parametrize("quantizer", [q.DoReFa(2), q.DoReFa(4, "centered"), q.LSQ(3), q.Ternary()])
@pytest.mark.parametrize("shape", [(7, 20), (6, 4, 3, 3)])
def test_factors(quantizer: q.WeightQuantizer, shape: tuple[int, ...]) -> None:
    w = torch.randn(*shape, requires_grad=True)
    plain = quantizer(w)
    fan_out = shape[0] * (9 if len(shape) == 4 else 1)
    y = Rescaled(quantizer)(w)
    assert torch.allclose(y.var(correction=0) * fan_out, torch.tensor(1.0), rtol=1e-5)
    assert torch.allclose(y / y.std(), plain / plain.std(), atol=1e-5)  # the same up to a factor
    y = Rescaled(quantizer, "std")(w)
    assert torch.allclose(y.std(), w.std(), rtol=1e-5)
    made, before = Rescaled(quantizer).integers(w), quantizer.integers(w)
    assert torch.equal(made.codes, before.codes) and made.form.bits == before.form.bits
    assert torch.equal(made.values, Rescaled(quantizer)(w))


def test_the_factor_is_detached() -> None:
    w = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    g = torch.randn(5, 6, dtype=torch.float64)
    quantizer = q.DoReFa(3)
    (plain,) = torch.autograd.grad((quantizer(w) * g).sum(), w)
    (scaled,) = torch.autograd.grad((Rescaled(quantizer)(w) * g).sum(), w)
    factor = Rescaled(quantizer).factor(w, quantizer(w))
    assert torch.allclose(scaled, plain * factor, rtol=1e-12)


def test_clamped_float_training_is_rescaled_too() -> None:
    y = Rescaled(q.DoReFa(None))(torch.randn(8, 30))
    assert torch.allclose(y.var(correction=0) * 8, torch.tensor(1.0), rtol=1e-5)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), q.CGPact(2), nn.Conv2d(3, 3, 3), q.CGPact(2),
        nn.Flatten(), nn.Linear(12, 4, bias=False), nn.BatchNorm1d(4), q.CGPact(2), nn.Linear(4, 3),
    )  # fmt: skip


def test_layers_without_batchnorm() -> None:
    net = network()
    assert without_norm(net) == ["3", "9"]
    for _, layer in list(q.weight_layers(net)):
        q.quantize_weight(layer, q.DoReFa(2))
    assert rescale(net) == ["3", "9"] == rescale(net)  # a second time changes nothing
    kinds = [type(q.quantizer_of(layer)) for _, layer in q.weight_layers(net)]
    assert kinds == [q.DoReFa, Rescaled, q.DoReFa, Rescaled]
    assert without_norm(net) == ["3", "9"]


def test_logits_of_a_wide_layer_are_of_order_one() -> None:
    x = q.CGPact(2, 2.0)(torch.randn(200, 512).abs())
    layer = q.quantize_weight(nn.Linear(512, 512), q.DoReFa(2))
    wild = float(layer(x).std())
    q.quantize_weight(layer, Rescaled(q.DoReFa(2)))
    assert float(layer(x).std()) < 2 and wild > 10


def test_mistakes() -> None:
    with pytest.raises(HwgenError, match="HW203"):
        rescale(network())
    with pytest.raises(HwgenError, match="HW110"):
        Rescaled(q.LSQ(2), "twice")
