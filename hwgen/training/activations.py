"""Activation quantizers: ordinary modules, exported as Quant, BipolarQuant or MultiThreshold.

Unsigned ones contain their ReLU: what is below zero becomes code 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.grid import (
    Bipolar,
    Form,
    Table,
    Uniform,
    check_bits,
    clip,
    damp,
    limits,
    or_one,
    positive,
    round_through,
    through,
)


class FixedPoint(nn.Module):
    """A fixed grid of ``bits`` with the given ``scale``: for a model's input, say."""

    def __init__(self, bits: int, scale: float, *, signed: bool = False) -> None:
        super().__init__()
        self.bits, self.signed = check_bits(bits, 1 + signed, "FixedPoint"), signed
        self.lo, self.hi = limits(bits, signed=signed)
        self.register_buffer("scale", torch.tensor(float(scale)))

    def forward(self, x: Tensor) -> Tensor:
        return round_through(clip(x / self.scale, self.lo, self.hi)) * self.scale

    def form(self) -> Form:
        return Uniform(self.scale, self.bits, self.signed)


class DoReFaActivation(FixedPoint):
    """DoReFa-Net (Zhou et al. 2016): ``round(n clip(x, 0, 1)) / n``, codes 0..n, scale ``1/n``."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits, 1 / ((1 << check_bits(bits, 1, "DoReFaActivation")) - 1))


class CGPact(nn.Module):
    """PACT with the corrected gradient of SAT (Jin, Yang, Liao 2019).

    ``y = a round(n clip(x, 0, a) / a) / n`` with ``a`` learned (``|a|`` is used), codes 0..n, scale
    ``a/n``. ``dy/dx`` is 1 on ``0 <= x < a``; ``dy/da`` is 1 for ``x >= a``, and
    ``q(x/a) - x/a`` below, which plain autograd through the straight-through rounding gives.
    SAT starts from 8 after convolutions and 10 before dense layers.
    """

    def __init__(self, bits: int, alpha: float = 8.0) -> None:
        super().__init__()
        self.bits = check_bits(bits, 1, type(self).__name__)
        self.n = (1 << bits) - 1
        self.alpha = nn.Parameter(torch.tensor(float(alpha)))

    def scale(self) -> Tensor:
        return positive(self.alpha) / self.n

    def forward(self, x: Tensor) -> Tensor:
        scale = self.scale()
        return round_through(clip(x / scale, 0, self.n, closed=True)) * scale

    def form(self) -> Form:
        return Uniform(self.scale(), self.bits, signed=False)


class Pact(CGPact):
    """PACT as published (Choi et al. 2018): as :class:`CGPact`, but ``dy/da = 0`` below ``a``."""

    def forward(self, x: Tensor) -> Tensor:
        alpha, scale = positive(self.alpha), self.scale().detach()
        y = round_through(clip(x / scale, 0, self.n, closed=True)) * scale
        above = (x >= alpha).to(y.dtype)
        return y + (alpha - alpha.detach()) * above


class LSQActivation(nn.Module):
    """Learned step size (Esser et al. 2020) and, with ``offset``, LSQ+ (Bhalgat et al. 2020).

    ``y = (round(clip(x/s + z, lo, hi)) - z) s`` where ``z = -b/s`` of LSQ+'s offset ``b``, in whose
    terms ``dy/db`` is 0 inside and 1 outside. ``offset="whole"`` rounds ``z`` straight through, so
    that zero has a code, which zero padding needs. ``dy/ds`` as in :class:`weights.LSQ`, damped by
    ``1/sqrt(N hi)`` with ``N`` the features of one sample. The first tensor starts the step at
    ``2 mean|x| / sqrt(hi)``, or with an offset at the least squared error among clipped ranges.
    """

    started: Tensor

    def __init__(self, bits: int, *, signed: bool = False,
                 offset: Literal["none", "free", "whole"] = "none") -> None:  # fmt: skip
        super().__init__()
        self.bits, self.signed, self.offset = check_bits(bits, 1 + signed, "LSQ"), signed, offset
        self.lo, self.hi = limits(bits, signed=signed)
        self.step = nn.Parameter(torch.ones(()))
        self.shift = nn.Parameter(torch.zeros(()), requires_grad=offset != "none")
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Set step and offset from a tensor, as the first forward pass does."""
        self.started.fill_(True)
        if self.offset == "none":
            self.step.copy_(or_one(2 * x.abs().mean() / self.hi**0.5))
            return
        low, high, best = x.min(), x.max(), torch.inf
        for share in torch.linspace(0.3, 1, 15).tolist():
            step = or_one((high - low) * share / (self.hi - self.lo))
            shift = low * share - self.lo * step
            y = ((x - shift) / step).round().clamp(self.lo, self.hi) * step + shift
            error = float(((y - x) ** 2).mean())
            if error < best:
                best = error
                self.step.copy_(step)
                self.shift.copy_(shift)

    def parts(self, damping: float = 1.0) -> tuple[Tensor, Tensor]:
        """Scale and zero point."""
        step = damp(positive(self.step), damping)
        zero = -damp(self.shift, damping) / step
        return step, round_through(zero) if self.offset == "whole" else zero

    def forward(self, x: Tensor) -> Tensor:
        if not self.started:
            self.start(x)
        features = x[0].numel() if x.dim() > 1 else x.numel()
        step, zero = self.parts((features * self.hi) ** -0.5)
        if self.offset == "none":
            return round_through(clip(x / step, self.lo, self.hi)) * step
        return (round_through(clip(x / step + zero, self.lo, self.hi)) - zero) * step

    def form(self) -> Form:
        step, zero = self.parts()
        return Uniform(step, self.bits, self.signed, zero=None if self.offset == "none" else zero)


class PowerOfTwoActivation(nn.Module):
    """TQT (Jain et al. 2019): scale ``2**ceil(log2 T) / 2**bits`` (signed: ``2**(bits-1)``).

    Requantization to such a grid is a shift. ``log2 T`` is learned; it starts at that of the
    greatest magnitude of the first tensor.
    """

    def __init__(self, bits: int, *, signed: bool = False) -> None:
        super().__init__()
        self.bits, self.signed = check_bits(bits, 1 + signed, "PowerOfTwoActivation"), signed
        self.lo, self.hi = limits(bits, signed=signed)
        self.log_threshold = nn.Parameter(torch.full((), torch.nan))

    def scale(self) -> Tensor:
        raised = through(self.log_threshold, self.log_threshold.ceil())
        return torch.exp2(raised - (self.bits - self.signed))

    def forward(self, x: Tensor) -> Tensor:
        if self.log_threshold.detach().isnan():
            with torch.no_grad():
                self.log_threshold.copy_(or_one(x.abs().max()).log2())
        scale = self.scale()
        return round_through(clip(x / scale, self.lo, self.hi)) * scale

    def form(self) -> Form:
        return Uniform(self.scale(), self.bits, self.signed)


class Sign(nn.Module):
    """Binarized activation (Hubara et al. 2016): +1 for ``x >= 0``, else -1; derivative
    ``1[|x| <= 1]``."""

    def forward(self, x: Tensor) -> Tensor:
        return through(x.clamp(-1, 1), torch.where(x >= 0, 1.0, -1.0).to(x.dtype))

    def form(self) -> Form:
        return Bipolar(torch.ones(()))


class Step(nn.Module):
    """``1[x > 0]`` with the derivative of ``clip(x, 0, 1)``: the coarse gradient of RVSCGD."""

    def forward(self, x: Tensor) -> Tensor:
        return through(clip(x, 0, 1), (x >= torch.finfo(torch.float32).tiny).to(x.dtype))

    def form(self) -> Form:
        return Table(torch.tensor([torch.finfo(torch.float32).tiny]), torch.ones(()))


HALF_WAVE = {1: 0.798, 2: 0.539, 3: 0.322, 4: 0.184}
HALF_WAVE_ZERO_BIN = {1: 1.224, 2: 0.651, 3: 0.353, 4: 0.193}


class HWGQ(nn.Module):
    """Half-wave Gaussian quantization (Cai et al. 2017), after BatchNorm: the step is not trained.

    Levels ``j s``, ``j = 0..n``. Level 0 is for ``x <= 0`` only; a positive ``x`` goes to the
    nearest of levels 1..n, upwards from the middle. ``s`` has the least squared error for a
    half-wave N(0, 1). With ``zero_bin`` small positive values round to 0 as well, half to even,
    with the step that suits that. Derivative 1 on ``0 < x < n s`` (clipped ReLU). 1 to 4 bits.
    """

    scale: Tensor

    def __init__(self, bits: int, *, zero_bin: bool = False) -> None:
        super().__init__()
        table = HALF_WAVE_ZERO_BIN if zero_bin else HALF_WAVE
        self.bits, self.zero_bin = check_bits(bits, 1, "HWGQ"), zero_bin
        if bits not in table:
            fail("HW110", where="HWGQ", why=f"bits must be 1 to 4, not {bits}")
        self.n = (1 << bits) - 1
        self.register_buffer("scale", torch.tensor(table[bits]))

    def thresholds(self) -> Tensor:
        inner = (torch.arange(1, self.n, device=self.scale.device) + 0.5) * self.scale
        return torch.cat([self.scale.new_tensor([torch.finfo(torch.float32).tiny]), inner])

    def forward(self, x: Tensor) -> Tensor:
        v = clip(x / self.scale, 0, self.n)
        if self.zero_bin:
            return round_through(v) * self.scale
        count = torch.bucketize(x.detach().contiguous(), self.thresholds(), right=True)
        return through(v, count.to(x.dtype)) * self.scale

    def form(self) -> Form:
        if self.zero_bin:
            return Uniform(self.scale, self.bits, signed=False)
        return Table(self.thresholds(), self.scale)


class N2UQ(nn.Module):
    """Learned thresholds, uniform levels (Liu et al. 2022), with the generalised straight-through
    estimator.

    Intervals of widths ``a_1..a_n > 0`` follow each other from ``b``: ``d_i = b + a_1 + .. + a_i``.
    The code is the number of thresholds ``T_i = d_{i-1} + a_i / 2`` that ``x`` reaches. Gradients,
    to ``x``, ``a`` and ``b`` alike, are those of the piecewise linear
    ``sum_i clip((x - d_{i-1}) / a_i, 0, 1)``: slope ``1/a_i`` in interval ``i``. In hardware only
    the contents of the threshold table differ from a uniform quantizer's.
    The widths are stored as logarithms, and all start at ``width``; ``scale`` is the output step.
    """

    def __init__(self, bits: int, width: float = 1.0) -> None:
        super().__init__()
        self.bits = check_bits(bits, 1, "N2UQ")
        self.n = (1 << bits) - 1
        self.log_widths = nn.Parameter(torch.full((self.n,), float(width)).log())
        self.start = nn.Parameter(torch.zeros(()))
        self.log_scale = nn.Parameter(torch.tensor(float(width)).log())

    def thresholds(self) -> Tensor:
        widths = self.log_widths.exp()
        return self.start + widths.cumsum(0) - widths / 2

    def forward(self, x: Tensor) -> Tensor:
        widths = self.log_widths.exp()
        begins = self.start + widths.cumsum(0) - widths
        ramp = sum(clip((x - d) / a, 0, 1) for d, a in zip(begins, widths, strict=True))
        count = torch.bucketize(x.detach().contiguous(), self.thresholds().detach(), right=True)
        return through(ramp, count.to(x.dtype)) * self.log_scale.exp()

    def form(self) -> Form:
        return Table(self.thresholds(), self.log_scale.exp())
