"""Quantization-aware layers: straight-through quantizers with learned step sizes, in PyTorch.

Each quantizer computes what its QONNX node will compute, in the same order: divide by the scale,
clamp, round half to even, multiply by the scale. While ``on`` is false it passes values through,
so that a network can first be trained in floating point.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def round_through(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes as if nothing had been rounded."""
    return x + (x.round() - x).detach()


class Quant(nn.Module):
    """Uniform quantizer to ``bits``: codes 0..2^bits-1, or two's complement if ``signed``.

    ``scale`` fixes the step. Without it the step is learned (LSQ): it starts from the mean
    magnitude of the first tensor seen, and its gradient is damped by the number of elements that
    share it. ``channels`` gives each output channel of a weight a step of its own.
    """

    def __init__(
        self, bits: int, *, signed: bool, channels: int = 1, scale: float | None = None
    ) -> None:
        super().__init__()
        self.bits, self.signed, self.on = bits, signed, False
        self.lo, self.hi = (
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        )
        self.learned = scale is None
        start = torch.full((channels,), 0.0 if scale is None else scale)
        self.step = nn.Parameter(start, requires_grad=self.learned)

    def scale(self, x: Tensor) -> Tensor:
        """The step, shaped to multiply ``x``: a scalar, or one value per row of a weight."""
        step = self.step.abs()
        return step.reshape(-1, *[1] * (x.dim() - 1)) if len(step) > 1 else step.reshape(())

    def forward(self, x: Tensor) -> Tensor:
        if not self.on:
            return x
        if self.learned and not self.step.any():
            rows = x.detach().reshape(len(self.step), -1) if len(self.step) > 1 else x.detach()
            mean = rows.abs().mean(dim=1) if len(self.step) > 1 else rows.abs().mean()
            self.step.data.copy_(2 * mean / self.hi**0.5)
        step = self.scale(x)
        damping = (x.numel() / len(self.step) * self.hi) ** -0.5
        step = step.detach() + (step - step.detach()) * damping
        return round_through((x / step).clamp(self.lo, self.hi)) * step


class Bipolar(nn.Module):
    """The sign of each element, +1 for zero, times ``scale``; gradient only where ``|x| <= 1``.

    Off, it is the hard tanh whose limit it is.
    """

    def __init__(self, *, scale: float = 1.0, learned: bool = False) -> None:
        super().__init__()
        self.bits, self.on = 1, False
        self.step = nn.Parameter(torch.tensor(scale), requires_grad=learned)

    def scale(self, _: Tensor) -> Tensor:
        return self.step.abs()

    def forward(self, x: Tensor) -> Tensor:
        soft = x.clamp(-1, 1)
        if not self.on:
            return soft * self.scale(x)
        sign = torch.where(x >= 0, 1.0, -1.0)
        return (soft + (sign - soft).detach()) * self.scale(x)


class QLinear(nn.Linear):
    """A dense layer whose weight ``(out, in)`` meets the quantizer ``wq`` first."""

    def __init__(self, inputs: int, outputs: int, wq: nn.Module, *, bias: bool = False) -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.wq = wq

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.wq(self.weight), self.bias)


class QConv(nn.Conv2d):
    """A convolution whose weight ``(out, in, kh, kw)`` meets the quantizer ``wq`` first."""

    def __init__(self, inputs: int, outputs: int, kernel: int, wq: nn.Module, *, stride: int = 1,
                 bias: bool = False) -> None:  # fmt: skip
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)
        self.wq = wq

    def forward(self, x: Tensor) -> Tensor:
        weight = self.wq(self.weight)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, int(self.padding[0]))


def quantizers_on(net: nn.Module) -> None:
    """From here on the network computes with quantized weights and activations."""
    for module in net.modules():
        if isinstance(module, (Quant, Bipolar)):
            module.on = True
