"""Values and gradients of every quantizer against its formula, written out in NumPy or by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hwgen.core.errors import HwgenError
from hwgen.training import quantizers as q
from hwgen.training.activations import HALF_WAVE, HALF_WAVE_ZERO_BIN
from hwgen.training.grid import Table, clip, damp, round_through, through

F64 = torch.float64


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64, requires_grad=True)


def gradients(y: Tensor, *inputs: Tensor) -> list[np.ndarray]:
    return [g.numpy() for g in torch.autograd.grad(y.sum(), inputs)]


def weights(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


# Primitives


def test_rounding_is_half_even_exact_and_transparent() -> None:
    x = tensor(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.7, 1e6 + 0.3)
    y = round_through(x)
    assert y.tolist() == [-2, -2, 0, 0, 2, 2, 1, 1e6]
    assert (gradients(y, x)[0] == 1).all()
    odd = torch.randn(10_000).float() * 100
    assert torch.equal(through(odd, odd.floor()), odd.floor())  # to the last bit


def test_clip_is_transparent_strictly_inside() -> None:
    x = tensor(-1, 0, 0.5, 2, 3)
    assert clip(x, 0, 2).tolist() == [0, 0, 0.5, 2, 2]
    assert gradients(clip(x, 0, 2), x)[0].tolist() == [0, 0, 1, 0, 0]
    assert gradients(clip(x, 0, 2, closed=True), x)[0].tolist() == [0, 1, 1, 0, 0]


def test_damping_leaves_the_value() -> None:
    x = tensor(0.1, 3)
    assert torch.equal(damp(x, 0.3), x) and np.allclose(
        gradients(damp(x, 0.3), x)[0], 0.3, 0, 1e-15
    )


# Weights


def dorefa_codes(w: np.ndarray, k: int, scheme: str) -> np.ndarray:
    t = np.tanh(w) / np.abs(np.tanh(w)).max()
    u, n = (t + 1) / 2, 2**k - 1
    if scheme == "original":
        return 2 * np.rint(n * u) - n
    i = np.minimum(np.floor(2**k * u), n)
    return i - 2 ** (k - 1) if scheme == "modified" else 2 * (i - 2 ** (k - 1)) + 1


@pytest.mark.parametrize("scheme", ["original", "modified", "centered"])
@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_dorefa_grids(scheme: str, k: int) -> None:
    w = weights(20, 30)
    made = q.DoReFa(k, scheme).integers(w)
    codes, scale = made.codes.numpy(), float(made.form.scale)
    assert np.array_equal(codes, dorefa_codes(w.numpy(), k, scheme))
    scales = {"original": 1 / (2**k - 1), "modified": 2.0 ** (1 - k), "centered": 2.0**-k}
    assert scale == scales[scheme]
    assert (codes % 2 == 1).all() == (scheme != "modified")
    half = 2 ** (made.form.bits - 1)
    assert -half <= codes.min() and codes.max() < half
    assert len(np.unique(codes)) <= 2**k and (k > 4 or len(np.unique(codes)) == 2**k)
    assert torch.equal(q.DoReFa(k, scheme)(w), made.values)


@pytest.mark.parametrize("k", range(2, 8))
def test_nesting_of_the_grids(k: int) -> None:
    """The upper bits of an 8-bit index are the k-bit index: always, except in the original grid."""
    w = weights(100, 100)
    t = q.DoReFa(8).clamped(w)
    for scheme in ("original", "modified", "centered"):
        wide, narrow = q.DoReFa(8, scheme).index(t), q.DoReFa(k, scheme).index(t)
        share = float(
            (torch.div(wide, 2 ** (8 - k), rounding_mode="floor") == narrow).double().mean()
        )
        assert (share == 1) if scheme != "original" else (0.7 < share < 0.95)


def test_dorefa_keeps_the_derivative_of_tanh_and_its_maximum() -> None:
    w = weights(5, 4).requires_grad_()
    g = torch.randn(5, 4, dtype=F64)
    for scheme in ("original", "modified", "centered"):
        smooth = (w.tanh() / w.tanh().abs().max() * g).sum()
        (want,) = torch.autograd.grad(smooth, w)
        (got,) = torch.autograd.grad((q.DoReFa(3, scheme)(w) * g).sum(), w)
        assert torch.allclose(got, want, rtol=1e-12, atol=1e-14)


def test_dorefa_clip_and_clamp_only() -> None:
    w = tensor(-3, -0.4, 0.1, 2).reshape(2, 2)
    y = q.DoReFa(2, normalize="clip")(w)
    assert np.allclose(y.detach().ravel(), [-1, -1 / 3, 1 / 3, 1], 0, 1e-15)
    assert gradients(y, w)[0].ravel().tolist() == [0, 1, 1, 0]
    t = q.DoReFa(None)(w)
    assert torch.equal(t, w.tanh() / w.tanh().abs().max())


def test_lsq_weight() -> None:
    w, quantizer = weights(6, 5).requires_grad_(), q.LSQ(3, channels=6).double()
    y = quantizer(w)  # starts the steps
    start = 2 * w.detach().abs().mean(1) / math.sqrt(3)
    assert torch.allclose(quantizer.step, start, rtol=1e-12)
    v = (w / start[:, None]).detach().numpy()
    codes = np.rint(np.clip(v, -4, 3))
    assert np.array_equal(quantizer.integers(w).codes.numpy(), codes)
    inside = (v > -4) & (v < 3)
    dw, ds = gradients(y, w, quantizer.step)
    assert np.array_equal(dw, inside.astype(float))
    slope = np.where(inside, np.rint(v) - v, np.clip(v, -4, 3)).sum(1)
    assert np.allclose(ds, slope / math.sqrt(5 * 3), rtol=1e-12)


def test_lsq_plus_start_of_the_weights() -> None:
    w, quantizer = weights(4, 50), q.LSQ(4, init="sd").double()
    quantizer(w)
    m, sd = w.mean(), w.std()
    assert torch.allclose(quantizer.step[0], max(abs(m - 3 * sd), abs(m + 3 * sd)) / 8)


def test_tqt_weight() -> None:
    w, quantizer = weights(30).reshape(5, 6).requires_grad_(), q.PowerOfTwo(3).double()
    quantizer(w)
    with torch.no_grad():
        quantizer.log_threshold.fill_(0.3)  # T = 2**0.3, so s = 2 / 4
    y = quantizer(w)
    v = w.detach().numpy() / 0.5
    inside = (v > -4) & (v < 3)
    assert np.array_equal(y.detach(), np.rint(np.clip(v, -4, 3)) * 0.5)
    (dt,) = gradients(y, quantizer.log_threshold)
    slope = np.where(inside, np.rint(v) - v, np.clip(v, -4, 3)).sum()
    assert np.allclose(dt, 0.5 * math.log(2) * slope, rtol=1e-12)


def test_binary_weights() -> None:
    w = tensor(-2, -0.5, 0, 0.25, 1, 3).reshape(2, 3)
    assert q.Binary()(w).tolist() == [[-1, -1, 1], [1, 1, 1]]
    assert gradients(q.Binary()(w), w)[0].tolist() == [[0, 1, 1], [1, 1, 0]]
    mean = np.abs(w.detach().numpy())
    assert np.allclose(q.Binary("tensor")(w).detach().abs(), mean.mean())
    rowwise = q.Binary("channel")(w).detach().numpy()
    assert np.allclose(np.abs(rowwise), mean.mean(1, keepdims=True).repeat(3, 1))
    # mean|w| is the least-squares scale of the signs
    for row, signs in zip(w.detach().numpy(), np.sign(rowwise), strict=True):
        errors = [((row - a * signs) ** 2).sum() for a in np.linspace(0, 3, 3001)]
        assert abs(np.argmin(errors) / 1000 - np.abs(row).mean()) < 2e-3


def test_latent_binary_weights_stay_within_one() -> None:
    layer = q.quantize_weight(torch.nn.Linear(3, 2), q.Binary())
    layer.parametrizations.weight.original.data.mul_(100)
    q.clamp_latent(layer)
    assert float(layer.parametrizations.weight.original.detach().abs().max()) == 1


def test_ternary_weights() -> None:
    w = tensor(-2, -0.5, 0, 0.78, 0.9, 3).reshape(2, 3)
    a = np.abs(w.detach().numpy())
    limit = 0.7 * a.mean()
    made = q.Ternary().integers(w)
    assert made.codes.tolist() == [[-1, 0, 0], [0, 1, 1]] and 0.78 < limit < 0.9
    assert np.isclose(float(made.form.scale), a[a > limit].mean())
    assert (made.form.bits, made.form.narrow) == (2, True)
    assert np.allclose(gradients(q.Ternary()(w), w)[0], 1)


@pytest.mark.parametrize("name", q.WEIGHTS)
@pytest.mark.parametrize("value", [0.0, 1.0, -1e-30, 1e4])
def test_constant_weights(name: str, value: float) -> None:
    """A tensor of one value, zero included, gives finite weights, codes and gradients."""
    bits = {"binary": 1, "xnor": 1}.get(name, 2)
    quantizer = q.weight_quantizer(name, bits, 3)
    w = torch.full((3, 4), value, requires_grad=True)
    y = quantizer(w)
    made = quantizer.integers(w)
    assert torch.equal(y, made.values) and torch.isfinite(y).all()
    assert (made.form.scale > 0).all()
    assert torch.isfinite(torch.autograd.grad(y.sum(), w)[0]).all()


@pytest.mark.parametrize("name", q.WEIGHTS)
@given(seed=st.integers(0, 10**6), bits=st.integers(2, 8), spread=st.floats(1e-3, 1e3))
def test_weights_are_their_codes(name: str, seed: int, bits: int, spread: float) -> None:
    bits = {"binary": 1, "xnor": 1, "ternary": 2}.get(name, bits)
    quantizer = q.weight_quantizer(name, bits, 4)
    w = weights(4, 3, 2, 2, seed=seed).float() * spread
    y, made = quantizer(w), quantizer.integers(w)
    assert torch.equal(y, made.values)
    half = 1 << (made.form.bits - 1) if not quantizer.bipolar else 1
    lowest = -half + int(quantizer.narrow)
    assert lowest <= int(made.codes.min()) and int(made.codes.max()) <= max(half - 1, 1)


# Activations


def test_cg_pact_and_pact() -> None:
    x = tensor(-1, 0, 0.3, 1.1, 2.4, 2.5, 9)
    n, alpha = 7, 2.5
    codes = np.rint(n * np.clip(x.detach().numpy(), 0, alpha) / alpha)
    u = x.detach().numpy() / alpha
    below = (u >= 0) & (u < 1)
    for kind, inner in ((q.CGPact, codes / n - u), (q.Pact, 0 * u)):
        module = kind(3, alpha).double()
        y = module(x)
        assert np.allclose(y.detach(), codes * alpha / n, rtol=1e-15)
        dx, da = gradients(y, x, module.alpha)
        assert np.array_equal(dx, below.astype(float))
        want = np.where(u >= 1, 1, np.where(below, inner, 0)).sum()
        assert np.allclose(da, want, rtol=1e-12)
    negative = q.CGPact(3, -alpha).double()
    assert torch.equal(negative(x), q.CGPact(3, alpha).double()(x))  # |alpha| counts


def test_dorefa_activation() -> None:
    x = tensor(-0.5, 0.2, 0.55, 0.9, 2)
    y = q.DoReFaActivation(2).double()(x)
    assert np.allclose(y.detach(), np.array([0, 1, 2, 3, 3]) / 3, 1e-7)
    assert gradients(y, x)[0].tolist() == [0, 1, 1, 1, 0]


def test_lsq_activation() -> None:
    x = tensor(-1, 0.2, 0.7, 1.4, 5).reshape(1, 5)
    module = q.LSQActivation(2).double()
    module(x)
    assert np.isclose(float(module.step), 2 * x.detach().abs().mean() / math.sqrt(3))
    module.step.data.fill_(0.5)
    y = module(x)
    v = x.detach().numpy() / 0.5
    assert np.array_equal(y.detach().numpy(), np.rint(np.clip(v, 0, 3)) * 0.5)
    (ds,) = gradients(y, module.step)
    inside = (v > 0) & (v < 3)
    want = np.where(inside, np.rint(v) - v, np.clip(v, 0, 3)).sum() / math.sqrt(5 * 3)
    assert np.allclose(ds, want, rtol=1e-12)


def test_lsq_plus_offset() -> None:
    x = tensor(-1.0, -0.2, 0.4, 0.9, 7).reshape(1, 5)
    module = q.LSQActivation(2, offset="free").double()
    module.started.fill_(True)
    module.step.data.fill_(0.5)
    module.shift.data.fill_(-0.6)
    y = module(x)
    v = (x.detach().numpy() + 0.6) / 0.5
    assert np.allclose(y.detach(), np.rint(np.clip(v, 0, 3)) * 0.5 - 0.6, rtol=1e-12)
    outside = (v <= 0) | (v >= 3)
    damping = 1 / math.sqrt(5 * 3)
    (db,) = gradients(y, module.shift)
    assert np.allclose(db, outside.sum() * damping, rtol=1e-12)
    whole = q.LSQActivation(2, offset="whole").double()
    whole.load_state_dict(module.state_dict())
    assert float(whole.form().zero) == 1  # 0.6 / 0.5, rounded
    assert float(whole(torch.zeros(1, 1, dtype=F64))) == 0  # zero has a code


def test_lsq_plus_starts_near_the_data() -> None:
    x = torch.randn(1000, 8) * 0.5 - 1
    module = q.LSQActivation(4, offset="free")
    assert float(((module(x) - x) ** 2).mean().sqrt()) < 0.15
    assert float(((q.LSQActivation(4)(x) - x) ** 2).mean().sqrt()) > 0.9  # without an offset


def test_tqt_activation_has_power_of_two_scales() -> None:
    x = torch.rand(50, 4) * 3
    module = q.PowerOfTwoActivation(3)
    y = module(x)
    assert float(module.form().scale) == 2.0**2 / 2**3
    assert torch.equal(y, (x / 0.5).clamp(0, 7).round() * 0.5)


def test_sign_and_step() -> None:
    x = tensor(-2, -0.5, 0, 0.5, 2)
    assert q.Sign()(x).tolist() == [-1, -1, 1, 1, 1]
    assert gradients(q.Sign()(x), x)[0].tolist() == [0, 1, 1, 1, 0]
    assert q.Step()(x).tolist() == [0, 0, 0, 1, 1]
    assert gradients(q.Step()(x), x)[0].tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("zero_bin", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_half_wave_steps_have_the_least_error(bits: int, zero_bin: bool) -> None:
    x = np.linspace(1e-4, 6, 60_000)
    density = np.exp(-(x**2) / 2)
    n, best = 2**bits - 1, (np.inf, 0.0)
    table = HALF_WAVE_ZERO_BIN if zero_bin else HALF_WAVE
    for s in np.arange(table[bits] - 0.02, table[bits] + 0.02, 0.001):
        level = np.clip(np.rint(x / s), 0 if zero_bin else 1, n)
        best = min(best, (((level * s - x) ** 2 * density).sum(), s))
    assert abs(best[1] - table[bits]) < 1.5e-3


def test_half_wave() -> None:
    module = q.HWGQ(2).double()
    s = float(module.scale)
    x = tensor(-1, 0, 1e-9, 0.4 * s, 1.49 * s, 1.51 * s, 2.51 * s, 9)
    y = module(x)
    assert np.allclose(y.detach() / s, [0, 0, 1, 1, 1, 2, 3, 3])
    assert gradients(y, x)[0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0]
    assert isinstance(module.form(), Table) and len(module.form().thresholds) == 3


def test_learned_thresholds() -> None:
    module = q.N2UQ(2).double()
    with torch.no_grad():
        module.log_widths.copy_(torch.tensor([0.5, 1.0, 2.0]).log())
        module.start.fill_(0.25)
        module.log_scale.fill_(math.log(0.5))
    # intervals from 0.25, 0.75, 1.75 to 3.75; thresholds in their middles
    assert np.allclose(module.thresholds().detach(), [0.5, 1.25, 2.75])
    x = tensor(0.1, 0.3, 0.6, 1.0, 2.0, 3.0, 5.0)
    y = module(x)
    assert np.allclose(y.detach(), 0.5 * np.array([0, 0, 1, 1, 2, 3, 3]))
    dx, dw, db, dc = gradients(y, x, module.log_widths, module.start, module.log_scale)
    assert np.allclose(dx, 0.5 * np.array([0, 2, 2, 1, 0.5, 0.5, 0]))
    # ramp of interval i: (x - d_{i-1}) / a_i with d_{i-1} the sum of the widths before it
    da1 = -(0.3 - 0.25) / 0.5**2 - (0.6 - 0.25) / 0.5**2 - 1 / 1.0 - 2 / 2.0
    da2 = -(1.0 - 0.75) / 1.0**2 - 2 / 2.0
    da3 = -(2.0 - 1.75) / 2.0**2 - (3.0 - 1.75) / 2.0**2
    assert np.allclose(dw, 0.5 * np.array([0.5 * da1, 1.0 * da2, 2.0 * da3]))
    assert np.allclose(db, -0.5 * (2 / 0.5 + 1 / 1.0 + 2 / 2.0))
    assert np.allclose(dc, y.detach().sum())


@pytest.mark.parametrize("name", q.ACTIVATIONS)
def test_activations_of_zero_and_huge_values(name: str) -> None:
    bits = 1 if name in ("sign", "step") else 2
    for value in (0.0, 1e-38, 1e6, -1e6):
        module = q.activation(name, bits)
        x = torch.full((2, 3), value, requires_grad=True)
        y = module(x)
        assert torch.isfinite(y).all()
        assert torch.isfinite(torch.autograd.grad(y.sum(), x)[0]).all()


# Mistakes


@pytest.mark.parametrize("make", [
    lambda: q.DoReFa(1), lambda: q.DoReFa(17), lambda: q.DoReFa(2, "even"), lambda: q.LSQ(0),
    lambda: q.CGPact(0), lambda: q.HWGQ(5), lambda: q.weight_quantizer("lsq", 1),
    lambda: q.weight_quantizer("nothing", 2), lambda: q.activation("sign", 2),
    lambda: q.weight_quantizer("ternary", 3), lambda: q.LSQActivation(1, signed=True),
])  # fmt: skip
def test_bad_options(make) -> None:
    with pytest.raises(HwgenError) as caught:
        make()
    assert caught.value.problems[0].code == "HW110"
