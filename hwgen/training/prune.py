"""Removal of channels that nobody reads: smaller layers, the same outputs bit for bit.

Works on nn.Sequential, also nested, and on :class:`sparsify.Residual` inside it, whose two ends
keep their channels while its body shrinks within.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.quantizers import WeightLayer, quantizer_of
from hwgen.training.sparsify import Residual, channel_norms

Norm = nn.BatchNorm1d | nn.BatchNorm2d
TRANSPARENT = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout, nn.Flatten,
               nn.Identity)  # fmt: skip


@torch.no_grad()
def remove_channels(net: nn.Sequential) -> int:
    """Drop every channel whose reader has only zero weights for it; returns how many.

    At least one channel of a layer stays. The producer's filter, its bias and its BatchNorm entry
    go together with the reader's weights. Prune before quantizing: quantizers that look at a whole
    tensor would give the remaining weights other codes, hence HW202 for a parametrized layer.
    HW202 as well for modules in between that are not known to act channel by channel.
    """
    removed = 0
    producer: WeightLayer | None = None
    norms: list[Norm] = []
    for module in _flat(net):
        match module:
            case nn.Linear() | nn.Conv2d():
                _check(module)
                if producer is not None:
                    removed += _shrink(producer, norms, module)
                producer, norms = module, []
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                norms.append(module)
            case Residual():
                for part in (module.body, module.shortcut):
                    if isinstance(part, nn.Sequential):
                        removed += remove_channels(part)
                producer = None  # its other reader needs every channel
            case _ if isinstance(module, TRANSPARENT) or hasattr(module, "form"):
                pass
            case _:
                fail("HW202", where=type(module).__name__,
                     why="it may mix channels, so that none before it can be removed")  # fmt: skip
    return removed


def _flat(net: nn.Module) -> list[nn.Module]:
    if isinstance(net, nn.Sequential):
        return [leaf for child in net for leaf in _flat(child)]
    return [net]


def _check(layer: WeightLayer) -> None:
    if quantizer_of(layer) is not None:
        fail("HW202", where=type(layer).__name__, why="its weight is quantized already",
             help="remove channels first, then put quantizers on")  # fmt: skip
    if isinstance(layer, nn.Conv2d) and layer.groups != 1:
        fail("HW202", where="Conv2d", why=f"it has {layer.groups} groups")


def _shrink(producer: WeightLayer, norms: list[Norm], reader: WeightLayer) -> int:
    channels, inputs = producer.weight.shape[0], reader.weight.shape[1]
    if inputs % channels:
        fail("HW103", where=type(reader).__name__,
             why=f"it reads {inputs} channels, the layer before it makes {channels}")  # fmt: skip
    spread = inputs // channels  # pixels per channel, where a Flatten stands between
    used = (channel_norms(reader.weight).reshape(channels, spread) > 0).any(1)
    if not used.any():
        used[0] = True
    kept = used.nonzero().flatten()
    if len(kept) == channels:
        return 0
    _rows(producer, kept)
    for norm in norms:
        norm.num_features = len(kept)
        for name in ("weight", "bias", "running_mean", "running_var"):
            tensor = getattr(norm, name)
            if tensor is not None:
                _set(norm, name, tensor[kept])
    columns = (kept[:, None] * spread + torch.arange(spread, device=kept.device)).flatten()
    _set(reader, "weight", reader.weight[:, columns])
    if isinstance(reader, nn.Linear):
        reader.in_features = len(columns)
    else:
        reader.in_channels = len(columns)
    return channels - len(kept)


def _rows(layer: WeightLayer, kept: Tensor) -> None:
    _set(layer, "weight", layer.weight[kept])
    if layer.bias is not None:
        _set(layer, "bias", layer.bias[kept])
    if isinstance(layer, nn.Linear):
        layer.out_features = len(kept)
    else:
        layer.out_channels = len(kept)


def _set(module: nn.Module, name: str, values: Tensor) -> None:
    old = getattr(module, name)
    new = values.detach().clone()
    setattr(module, name, nn.Parameter(new, old.requires_grad)
            if isinstance(old, nn.Parameter) else new)  # fmt: skip
