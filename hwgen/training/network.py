"""What a recipe says, and the float network that it describes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from hwgen.training.data import Data
from hwgen.training.quantizers import FixedPoint


@dataclass(frozen=True)
class Recipe:
    """A network for a data set. ``layers``: convolution channels, "pool", then dense widths.

    ``method`` names how it is trained (:data:`methods.METHODS`). Inner weights have ``wbits`` bits,
    the first and last ``edge_bits``, activations ``abits``; Adam starts at ``rate``. Of the
    methods, the sparse ones keep the share ``keep``, and A2Q allows ``accumulator`` bits.
    """

    data: str
    convolutions: tuple[int | str, ...]
    dense: tuple[int, ...]
    method: str = "sat"
    wbits: int = 2
    abits: int = 2
    edge_bits: int = 8
    epochs: int = 20
    rate: float = 2e-3
    batch: int = 64
    keep: float = 0.5
    accumulator: int = 12


def float_network(recipe: Recipe, data: Data) -> nn.Sequential:
    """The network in floating point: its input on the data's grid, ReLU, BatchNorm, 3x3 kernels."""
    net: list[nn.Module] = [FixedPoint(data.bits, data.step)]
    channels, *size = data.shape
    for layer in recipe.convolutions:
        if layer == "pool":
            net.append(nn.MaxPool2d(2))
            size = [pixels // 2 for pixels in size]
        else:
            outputs = int(layer)
            net += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
                    nn.BatchNorm2d(outputs), nn.ReLU()]  # fmt: skip
            channels = outputs
    inputs = channels
    if size:
        net.append(nn.Flatten())
        inputs *= size[0] * size[1]
    for outputs in recipe.dense:
        net += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*net, nn.Linear(inputs, data.classes))
