"""Accumulators of a promised width: A2Q (Colbert et al. 2023) and A2Q+ (Colbert et al. 2024).

A row of integer weights ``q`` on ``N``-bit inputs never overflows a ``P``-bit signed accumulator
where its 1-norm is small enough:

* A2Q:  ``|q|_1 <= (2**(P-1) - 1) * 2**(signed - N)``
* A2Q+: ``|q|_1 <= (2**P - 2) / (2**N - 1)``, for unsigned inputs and rows that sum to zero before
  rounding: positive and negative weights then have half of the norm each, and rounding toward zero
  only takes away from either.

The row is ``w = s * trunc(g v / (s |v|_1))`` with ``v`` the latent weight (A2Q+: less its mean),
``g = min(2**t, s * bound)`` with a learned ``t``, and ``s`` a learned step. Every partial sum, in
any order, stays within ``P`` bits; small weights become zeros, which cost no hardware.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.grid import check_bits, clip, limits, or_one, per_row, rows, through
from hwgen.training.weights import WeightQuantizer

# Float32 sums of up to 2**20 terms err by less: truncation can then not exceed the bound.
MARGIN = 1 - 2.0**-16


def norm_bound(accumulator: int, inputs: int, *, signed: bool = False, plus: bool = False) -> float:
    """The greatest 1-norm of a row of integer weights: ``inputs`` bits in, ``accumulator`` out."""
    if plus:
        return (2**accumulator - 2) / (2**inputs - 1)
    return (2 ** (accumulator - 1) - 1) * 2.0 ** (signed - inputs)


class A2Q(WeightQuantizer):
    """Weights of ``bits`` whose dot product with ``inputs``-bit numbers fits ``accumulator`` bits.

    One step and one norm per output channel, both learned as logarithms; they start from the first
    weight: the step spans its greatest magnitude, the norm is its own. ``plus`` is A2Q+, for
    unsigned inputs only. Raises HW110 where not even a weight of 1 fits.
    """

    def __init__(self, bits: int, channels: int, *, inputs: int, accumulator: int,
                 signed: bool = False, plus: bool = False) -> None:  # fmt: skip
        super().__init__()
        if plus and signed:
            fail("HW110", where="A2Q", why="A2Q+ is for unsigned inputs", help="use plus=False")
        self.bits, self.plus, self.narrow = check_bits(bits, 2, "A2Q"), plus, True
        self.bound = norm_bound(accumulator, inputs, signed=signed, plus=plus)
        if self.bound < 1:
            fail("HW110", where="A2Q", help="allow more accumulator bits",
                 why=f"{accumulator} bits hold no product with {inputs}-bit inputs")  # fmt: skip
        self.lo, self.hi = limits(bits, signed=True, narrow=True)
        self.log_step = nn.Parameter(torch.full((channels,), torch.nan))
        self.log_norm = nn.Parameter(torch.full((channels,), torch.nan))

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        v = rows(weight)
        if self.plus:  # in float64: a mean far above the differences would leave an imbalance
            wide = v.double()
            v = (wide - wide.mean(1, keepdim=True)).to(v.dtype)
        norm = or_one(v.abs().sum(1))
        if self.log_step.detach().isnan().any():
            with torch.no_grad():
                self.log_step.copy_(or_one(v.abs().amax(1) / self.hi).log2())
                self.log_norm.copy_(norm.log2())
        step = torch.exp2(self.log_step)
        length = torch.minimum(torch.exp2(self.log_norm - self.log_step),
                               torch.full_like(step, self.bound))  # fmt: skip
        scaled = per_row(length * MARGIN / norm, v) * v
        inside = clip(scaled, self.lo - 1, self.hi + 1)
        codes = through(inside, scaled.trunc().clamp(self.lo, self.hi))
        return codes.reshape(weight.shape), per_row(step, weight)


def penalty(net: nn.Module) -> Tensor:
    """``sum(max(t - log2(s bound), 0))`` over all channels: pulls norms to where they still learn.

    Add it to the loss with a small weight (1e-3, say).
    """
    total = torch.zeros(())
    for module in net.modules():
        if isinstance(module, A2Q):
            excess = module.log_norm - module.log_step - torch.tensor(module.bound).log2()
            total = total + excess.clamp_min(0).sum()
    return total
