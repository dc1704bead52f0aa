"""Scale-adjusted training, SAT (Jin, Yang, Liao 2019, "Towards Efficient Training for Neural
Network Quantization").

Clamping and rounding change the variance of a weight. BatchNorm after the layer absorbs that;
without one, logits grow with the width of the layer and training overfits. SAT multiplies the
quantized weight ``Q`` of such layers by a detached factor:

* constant: ``1 / sqrt(n var(Q))``, ``n = O`` for a dense layer, ``O KH KW`` for a convolution
* std:      ``std(W) / std(Q)``

The factor is one positive number per tensor. At export it multiplies the scale, so the integer
codes stay on the quantizer's grid and the hardware is the same as without it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.grid import positive
from hwgen.training.quantizers import quantize_weight, quantizer_of, weight_layers
from hwgen.training.weights import DoReFa, WeightQuantizer

Mode = Literal["constant", "std"]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Rescaled(WeightQuantizer):
    """``quantizer``'s weight times SAT's factor; its codes are untouched."""

    def __init__(self, quantizer: WeightQuantizer, mode: Mode = "constant") -> None:
        super().__init__()
        if mode not in ("constant", "std"):
            fail("HW110", where="Rescaled", why=f"unknown mode {mode!r}", help="constant or std")
        self.quantizer, self.mode = quantizer, mode
        self.bits, self.narrow, self.bipolar = quantizer.bits, quantizer.narrow, quantizer.bipolar

    @torch.no_grad()
    def factor(self, weight: Tensor, quantized: Tensor) -> Tensor:
        """A positive scalar; population variances, as of all weights that there are."""
        spread = positive(quantized.std(correction=0))
        if self.mode == "std":
            return positive(weight.std(correction=0)) / spread
        fan_out = weight.numel() // weight.shape[1]
        return 1 / (spread * fan_out**0.5)

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        codes, scale = self.quantizer.coded(weight)
        return codes, scale * self.factor(weight, codes * scale)

    def forward(self, weight: Tensor) -> Tensor:
        if isinstance(self.quantizer, DoReFa) and self.quantizer.width is None:
            clamped = self.quantizer(weight)  # float training: clamped, not rounded
            return clamped * self.factor(weight, clamped)
        return super().forward(weight)


def without_norm(net: nn.Module) -> list[str]:
    """Names of the weight layers whose output goes to something else than a BatchNorm.

    The next module in the order of definition counts as the reader, as in nn.Sequential.
    """
    leaves = [(name, m) for name, m in net.named_modules() if _is_step(m)]
    pairs = zip(leaves, [*leaves[1:], ("", nn.Identity())], strict=True)
    layers = dict(weight_layers(net))
    return [name for (name, _), (_, reader) in pairs
            if name in layers and not isinstance(reader, NORMS)]  # fmt: skip


def _is_step(module: nn.Module) -> bool:
    kinds = (nn.Linear, nn.Conv2d, *NORMS, nn.ReLU, nn.MaxPool2d, nn.Flatten)
    return isinstance(module, kinds) or hasattr(module, "form")


def rescale(net: nn.Module, mode: Mode = "constant") -> list[str]:
    """Wrap the quantizers of every layer without BatchNorm in :class:`Rescaled`.

    Returns the names of those layers. Raises HW203 where one has no quantizer.
    """
    layers, names = dict(weight_layers(net)), without_norm(net)
    for name in names:
        quantizer = quantizer_of(layers[name])
        if quantizer is None:
            fail("HW203", where=name, why="its weight has no quantizer to rescale",
                 help="put quantizers on first (quantize_weight)")  # fmt: skip
        if not isinstance(quantizer, Rescaled):
            quantize_weight(layers[name], Rescaled(quantizer, mode))
    return names
