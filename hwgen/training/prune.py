"""Removal of channels that nobody reads: smaller layers, the same outputs bit for bit.

Channels are followed through the network: through sums, whose two addends have one channel in common
from then on, through concatenations and flattening, and through what acts channel by channel. A
channel may go where every reader has nothing but zeros for it, and then goes everywhere: from each
layer that makes it, their BatchNorms, and each layer that reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.blocks import Concat, Residual
from hwgen.training.quantizers import WeightLayer, quantizer_of
from hwgen.training.sparsify import channel_norms

Norm = nn.BatchNorm1d | nn.BatchNorm2d
TRANSPARENT = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout, nn.Flatten,
               nn.Identity)  # fmt: skip


@torch.no_grad()
def remove_channels(net: nn.Module) -> int:
    """Drop every channel whose readers have only zero weights for it; returns how many.

    At least one channel of a layer stays, and those of the network's input and output. Prune before
    quantizing: quantizers that look at a whole tensor would give the remaining weights other codes,
    hence HW202 for a parametrized layer. HW202 as well for modules that are not known to act channel
    by channel, HW103 where two that meet have different numbers of channels.
    """
    total = 0
    while removed := _Channels(net).remove():
        total += removed
    return total


def read_together(net: nn.Module) -> list[tuple[Tensor, ...]]:
    """Weights by the channels that they read: what reads the same ones stands together.

    For :class:`sparsify.Splitting`, so that the readers of a sum agree on which channels go. Left
    out are weights behind a Flatten and those that read the network's input. Errors as above.
    """
    found = _Channels(net)
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for layer, ids in found.reads.items():
        key = tuple(found.root(i) for i in ids)
        if len(ids) == layer.weight.shape[1] and not found.fixed & set(key):
            groups.setdefault(key, []).append(layer.weight)
    return [tuple(group) for group in groups.values()]


@dataclass(eq=False)
class _Channels:
    """Which channels each layer makes and reads: lists of numbers, merged by sums."""

    net: nn.Module
    parent: list[int] = field(default_factory=list)
    makes: dict[WeightLayer, list[int]] = field(default_factory=dict)
    reads: dict[WeightLayer, list[int]] = field(default_factory=dict)
    along: dict[Norm | nn.Conv2d, list[int]] = field(default_factory=dict)  # channel by channel

    def __post_init__(self) -> None:
        ends = self.walk(self.net, None) or []
        # The input's channels stand first, once the first reader has said how many they are.
        self.fixed = {self.root(i) for i in [*ends, *self.inputs]}

    inputs: list[int] = field(default_factory=list)

    def fresh(self, count: int) -> list[int]:
        first = len(self.parent)
        self.parent += range(first, first + count)
        return self.parent[first:]

    def root(self, i: int) -> int:
        while self.parent[i] != i:
            i = self.parent[i]
        return i

    def walk(self, module: nn.Module, ids: list[int] | None) -> list[int] | None:
        """The channels of ``module``'s output; ``None`` are those of an input not counted yet."""
        match module:
            case nn.Sequential():
                for child in module:
                    ids = self.walk(child, ids)
                return ids
            case Residual():
                ids = self.counted(module, ids)
                body, cut = self.walk(module.body, ids), self.walk(module.shortcut, ids)
                assert body is not None and cut is not None
                if len(body) != len(cut):
                    fail("HW103", where="Residual", why=f"{len(body)} channels meet {len(cut)}")
                for a, b in zip(body, cut, strict=True):
                    self.parent[self.root(a)] = self.root(b)
                return body
            case Concat():
                ids = self.counted(module, ids)
                return [i for branch in module.branches for i in self.walk(branch, ids) or []]
            case nn.Linear() | nn.Conv2d():
                return self.layer(module, self.counted(module, ids))
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                self.along[module] = ids = self.counted(module, ids)
                return ids
            case _:
                if not (isinstance(module, TRANSPARENT) or hasattr(module, "form")):
                    fail("HW202", where=type(module).__name__,
                         why="it may mix channels, so that none before it can be removed")  # fmt: skip
                return ids

    def counted(self, module: nn.Module, ids: list[int] | None) -> list[int]:
        """``ids``; of the network's input, as many as the first layer in ``module`` reads."""
        if ids is None:
            first = next(m for m in module.modules() if hasattr(m, "weight"))
            count = first.num_features if isinstance(first, Norm) else first.weight.shape[1]  # type: ignore[union-attr]
            self.inputs = ids = self.fresh(count)
        return ids

    def layer(self, layer: WeightLayer, ids: list[int]) -> list[int]:
        if quantizer_of(layer) is not None:
            fail("HW202", where=type(layer).__name__, why="its weight is quantized already",
                 help="remove channels first, then put quantizers on")  # fmt: skip
        if isinstance(layer, nn.Conv2d) and layer.groups != 1:
            if not layer.groups == layer.in_channels == layer.out_channels:
                fail("HW202", where="Conv2d", why=f"it has {layer.groups} groups")
            self.along[layer] = ids
            return ids
        if layer.weight.shape[1] % len(ids):
            fail("HW103", where=type(layer).__name__, why=f"it reads {layer.weight.shape[1]} channels,"
                 f" the layers before it make {len(ids)}")  # fmt: skip
        self.reads[layer] = ids
        self.makes[layer] = made = self.fresh(layer.weight.shape[0])
        return made

    def remove(self) -> int:
        used = set(self.fixed)
        for layer, ids in self.reads.items():
            norms = channel_norms(layer.weight).reshape(len(ids), -1).amax(1).tolist()
            used |= {self.root(i) for i, norm in zip(ids, norms, strict=True) if norm > 0}
        for ids in self.makes.values():
            roots = [self.root(i) for i in ids]
            if not used & set(roots):
                used.add(roots[0])
        held = [*self.makes.values(), *self.reads.values(), *self.along.values()]
        gone = {self.root(i) for ids in held for i in ids} - used
        if gone:
            for kind, shrink in ((self.makes, _rows), (self.reads, _columns), (self.along, _along)):
                for module, ids in kind.items():
                    kept = [k for k, i in enumerate(ids) if self.root(i) in used]
                    if len(kept) < len(ids):
                        shrink(module, torch.tensor(kept, device=module.weight.device), len(ids))
        return len(gone)


def _rows(layer: WeightLayer, kept: Tensor, _: int) -> None:
    _take(layer, ("weight", "bias"), kept)
    if isinstance(layer, nn.Linear):
        layer.out_features = len(kept)
    else:
        layer.out_channels = len(kept)


def _columns(layer: WeightLayer, kept: Tensor, channels: int) -> None:
    spread = layer.weight.shape[1] // channels  # pixels per channel, where a Flatten stands before
    columns = (kept[:, None] * spread + torch.arange(spread, device=kept.device)).flatten()
    _set(layer, "weight", layer.weight[:, columns])
    if isinstance(layer, nn.Linear):
        layer.in_features = len(columns)
    else:
        layer.in_channels = len(columns)


def _along(module: Norm | nn.Conv2d, kept: Tensor, _: int) -> None:
    if isinstance(module, nn.Conv2d):  # depthwise
        _take(module, ("weight", "bias"), kept)
        module.groups = module.in_channels = module.out_channels = len(kept)
    else:
        _take(module, ("weight", "bias", "running_mean", "running_var"), kept)
        module.num_features = len(kept)


def _take(module: nn.Module, names: tuple[str, ...], kept: Tensor) -> None:
    for name in names:
        if getattr(module, name) is not None:
            _set(module, name, getattr(module, name)[kept])


def _set(module: nn.Module, name: str, values: Tensor) -> None:
    old = getattr(module, name)
    new = values.detach().clone()
    setattr(module, name, nn.Parameter(new, old.requires_grad)
            if isinstance(old, nn.Parameter) else new)  # fmt: skip
