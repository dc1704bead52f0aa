"""Weight quantizers, for ``torch.nn.utils.parametrize``.

Weights are ``(O, I)`` or ``(O, I, KH, KW)``; the latent float weight stays in the optimizer. Each
class maps it to ``codes * scale``: ``coded`` gives both, differentiably, and ``integers`` the exact
codes. Scales have the dtype of the weight, and are scalars or one per output channel.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.grid import (
    Bipolar,
    Integers,
    Uniform,
    check_bits,
    clip,
    damp,
    limits,
    or_one,
    per_row,
    positive,
    round_through,
    rows,
    through,
)

Scheme = Literal["original", "modified", "centered"]


class WeightQuantizer(nn.Module):
    """Base: ``forward`` returns ``codes * scale``. ``bits`` holds every code, two's complement."""

    bits: int
    narrow = False
    bipolar = False

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Codes, whole numbers in the weight's dtype, and the scale that broadcasts to them."""
        raise NotImplementedError

    def forward(self, weight: Tensor) -> Tensor:
        codes, scale = self.coded(weight)
        return codes * scale

    @torch.no_grad()
    def integers(self, weight: Tensor) -> Integers:
        codes, scale = self.coded(weight)
        form = Bipolar(scale) if self.bipolar else Uniform(scale, self.bits, True, self.narrow)
        return Integers(codes.round().long(), form)


class DoReFa(WeightQuantizer):
    """DoReFa-Net weights (Zhou et al. 2016) on one of three grids; ``n = 2**k - 1``.

    ``t`` in [-1, 1] is ``tanh(w) / max|tanh(w)|`` over the tensor, or ``clip(w, -1, 1)`` with
    ``normalize="clip"``; ``u = (t + 1) / 2``.

    =========  ==================================  ======================  ============
    scheme     index                               code                    scale
    =========  ==================================  ======================  ============
    original   ``i = round(n u)``                  ``2i - n``, odd         ``1/n``
    modified   ``i = min(floor(2**k u), n)``       ``i - 2**(k-1)``        ``2**-(k-1)``
    centered   as modified                         ``2(i-2**(k-1)) + 1``   ``2**-k``
    =========  ==================================  ======================  ============

    Odd codes take ``k + 1`` bits of two's complement. In modified and centered, the index at ``j``
    bits is the upper ``j`` bits of that at ``k`` bits. Zero is no level of original and centered.
    The derivative through the rounding is 1; that of tanh and of its maximum is kept.
    ``bits=None`` only clamps, without rounding: SAT's float training. ``k >= 2``; for one bit see
    :class:`Binary`.
    """

    def __init__(self, bits: int | None, scheme: Scheme = "original",
                 normalize: Literal["tanh", "clip"] = "tanh") -> None:  # fmt: skip
        super().__init__()
        if scheme not in ("original", "modified", "centered"):
            fail("HW110", where="DoReFa", why=f"unknown scheme {scheme!r}",
                 help="use original, modified or centered")  # fmt: skip
        self.width = None if bits is None else check_bits(bits, 2, "DoReFa")
        self.bits = (bits or 0) + (scheme != "modified")
        self.scheme, self.normalize = scheme, normalize

    def clamped(self, weight: Tensor) -> Tensor:
        """``t``, within [-1, 1]."""
        if self.normalize == "clip":
            return clip(weight, -1, 1)
        t = weight.tanh()
        return t / positive(t.abs().max())

    def index(self, t: Tensor) -> Tensor:
        """``i`` in 0..2**k - 1."""
        assert self.width is not None
        u, n = (t + 1) / 2, (1 << self.width) - 1
        if self.scheme == "original":
            return round_through(u * n)
        cells = u * (n + 1)
        return through(cells, cells.floor().clamp(0, n))

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        if self.width is None:
            fail("HW203", where="DoReFa", why="it clamps without rounding (bits=None)",
                 help="train with a number of bits before the export")  # fmt: skip
        k, i = self.width, self.index(self.clamped(weight))
        match self.scheme:
            case "original":
                n = (1 << k) - 1
                return 2 * i - n, weight.new_tensor(1 / n)
            case "modified":
                return i - (1 << (k - 1)), weight.new_tensor(2.0 ** (1 - k))
            case _:
                return 2 * i + 1 - (1 << k), weight.new_tensor(2.0**-k)

    def forward(self, weight: Tensor) -> Tensor:
        return self.clamped(weight) if self.width is None else super().forward(weight)


class LSQ(WeightQuantizer):
    """Learned step size (Esser et al. 2020): ``s * round(clip(w/s, -Qn, Qp))``.

    ``dy/ds`` is ``round(v) - v`` inside and ``-Qn`` or ``Qp`` outside, damped by
    ``1 / sqrt(N Qp)`` with ``N`` the weights that share the step. The step starts at
    ``2 mean|w| / sqrt(Qp)``; with ``init="sd"`` at LSQ+'s ``max(|m-3sd|, |m+3sd|) / 2**(k-1)``.
    ``channels`` gives each output channel a step.
    """

    def __init__(self, bits: int, channels: int = 1, init: Literal["mean", "sd"] = "mean",
                 narrow: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.bits, self.init, self.narrow = check_bits(bits, 2, "LSQ"), init, narrow
        self.lo, self.hi = limits(bits, signed=True, narrow=narrow)
        self.step = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def start(self, weight: Tensor) -> None:
        """Set the step from a weight, as the first forward pass does."""
        w = rows(weight) if len(self.step) > 1 else weight.reshape(1, -1)
        if self.init == "mean":
            step = 2 * w.abs().mean(1) / self.hi**0.5
        else:
            m, sd = w.mean(1), w.std(1)
            step = torch.maximum((m - 3 * sd).abs(), (m + 3 * sd).abs()) / 2 ** (self.bits - 1)
        self.step.copy_(or_one(step))

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        if not self.step.detach().any():
            self.start(weight)
        count = weight.numel() / len(self.step)
        step = damp(positive(self.step), (count * self.hi) ** -0.5)
        step = per_row(step, weight) if len(self.step) > 1 else step.reshape(())
        return round_through(clip(weight / step, self.lo, self.hi)), step


class PowerOfTwo(WeightQuantizer):
    """TQT (Jain et al. 2019): ``s = 2**(ceil(log2 T) - (k-1))``, with ``log2 T`` learned.

    Through ceil and round the derivative is 1, so ``dy/d(log2 T)`` is ``s ln2`` times
    ``round(v) - v``, ``-Qn`` or ``Qp``. ``T`` starts at the greatest ``|w|``.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = check_bits(bits, 2, "PowerOfTwo")
        self.lo, self.hi = limits(bits, signed=True)
        self.log_threshold = nn.Parameter(torch.full((), torch.nan))

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        if self.log_threshold.detach().isnan():
            with torch.no_grad():
                self.log_threshold.copy_(or_one(weight.abs().max()).log2())
        raised = through(self.log_threshold, self.log_threshold.ceil())
        step = torch.exp2(raised - (self.bits - 1))
        return round_through(clip(weight / step, self.lo, self.hi)), step


class Fixed(WeightQuantizer):
    """A grid that does not move: ``s * round(clip(w/s))`` with the given ``scale``."""

    scale: Tensor

    def __init__(self, bits: int, scale: Tensor, narrow: bool = False) -> None:
        super().__init__()
        self.bits, self.narrow = check_bits(bits, 2, "Fixed"), narrow
        self.lo, self.hi = limits(bits, signed=True, narrow=narrow)
        self.register_buffer("scale", scale.detach().clone())

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return round_through(clip(weight / self.scale, self.lo, self.hi)), self.scale


class Binary(WeightQuantizer):
    """BinaryConnect (Courbariaux et al. 2015): the sign, +1 for zero; derivative ``1[|w| <= 1]``.

    ``scaling`` is ``"none"``, ``"tensor"`` (DoReFa's ``mean|w|``) or ``"channel"`` (XNOR-Net,
    Rastegari et al. 2016: ``mean|w|`` of each output channel, the least-squares scale). A scale is
    detached: gradients reach the latent weight through the sign alone. Keep latent weights within
    [-1, 1] with :func:`clamp_latent`, else they get no gradient.
    """

    bits, bipolar = 1, True

    def __init__(self, scaling: Literal["none", "tensor", "channel"] = "none") -> None:
        super().__init__()
        self.scaling = scaling

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        soft = weight.clamp(-1, 1)
        codes = through(soft, torch.where(weight >= 0, 1.0, -1.0).to(weight.dtype))
        if self.scaling == "none":
            return codes, weight.new_ones(())
        magnitude = weight.detach().abs()
        if self.scaling == "tensor":
            return codes, positive(magnitude.mean())
        return codes, per_row(positive(rows(magnitude).mean(1)), weight)


class Ternary(WeightQuantizer):
    """Ternary weight networks (Li et al. 2016): codes -1, 0, 1 around ``D = 0.7 mean|w|``.

    The scale is the mean ``|w|`` of those with ``|w| > D``, detached; derivative of the codes 1.
    """

    bits, narrow = 2, True

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        w = weight.detach()
        kept = w.abs() > 0.7 * w.abs().mean()
        scale = positive((w.abs() * kept).sum() / kept.sum().clamp_min(1))
        # The latent weight in units of the scale: the product then has derivative 1.
        return through(weight / scale, torch.where(kept, w.sign(), torch.zeros_like(w))), scale


@torch.no_grad()
def clamp_latent(net: nn.Module) -> None:
    """Bring the latent weights of every :class:`Binary` back into [-1, 1]; after each step."""
    for module in net.modules():
        if isinstance(module, nn.utils.parametrize.ParametrizationList) and any(
            isinstance(getattr(q, "quantizer", q), Binary) for q in module
        ):
            module.original.clamp_(-1, 1)
