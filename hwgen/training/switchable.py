"""One set of weights, several precisions: SP-Nets (Guerra et al. 2020).

Shared are the latent weights and biases; each precision has its own BatchNorm and its own clip, as
in AdaBits (Jin et al. 2020) and Any-Precision DNN (Yu et al. 2021). With the centered grid the
codes of a precision are the upper bits of those of every higher one. A step sums the losses of all
precisions; lower ones may learn from higher ones (:func:`distill`). :func:`single` takes one
precision out as an ordinary network, which is exported as any other; :func:`to_onnx_all` puts all
precisions into one file, of which each can be built alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Literal

import torch
from onnx import ModelProto, checker
from torch import Tensor, nn
from torch.nn import functional

from hwgen.core.errors import fail
from hwgen.training.activations import CGPact, LSQActivation, PowerOfTwoActivation
from hwgen.training.export import to_onnx
from hwgen.training.quantizers import quantize_weight, weight_layers
from hwgen.training.weights import LSQ, Binary, DoReFa, PowerOfTwo, WeightQuantizer

Distillation = Literal["none", "top", "recursive"]


class Switch(nn.Module):
    """A module for each precision; ``bits`` says which one is at work."""

    def __init__(self, options: dict[int, nn.Module]) -> None:
        super().__init__()
        self.options = nn.ModuleDict({str(bits): module for bits, module in options.items()})
        self.bits = max(options)

    @property
    def chosen(self) -> nn.Module:
        return self.options[str(self.bits)]

    def forward(self, x: Tensor) -> Tensor:
        return self.chosen(x)


class SwitchWeight(WeightQuantizer):
    """A weight quantizer for each precision, all of the same latent weight."""

    def __init__(self, options: dict[int, WeightQuantizer]) -> None:
        super().__init__()
        self.options = nn.ModuleDict({str(bits): module for bits, module in options.items()})
        self.choose(max(options))

    def choose(self, bits: int) -> None:
        self.chosen = bits
        quantizer = self.quantizer
        self.bits, self.narrow, self.bipolar = quantizer.bits, quantizer.narrow, quantizer.bipolar

    @property
    def quantizer(self) -> WeightQuantizer:
        found = self.options[str(self.chosen)]
        assert isinstance(found, WeightQuantizer)
        return found

    def coded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return self.quantizer.coded(weight)


def _or_sign(make: Callable[[int], WeightQuantizer]) -> Callable[[int], WeightQuantizer]:
    """``make``, but a sign times the mean magnitude of each output for one bit."""
    return lambda bits: make(bits) if bits > 1 else Binary("channel")


# Weights and activations for a number of bits. With the first, codes of a precision are the upper
# bits of those above it; the others learn a step for each precision.
SCHEMES: dict[str, tuple[Callable[[int], WeightQuantizer], Callable[[int], nn.Module]]] = {
    "dorefa": (_or_sign(lambda bits: DoReFa(bits, "centered")), CGPact),
    "lsq": (_or_sign(LSQ), LSQActivation),
    "tqt": (_or_sign(PowerOfTwo), PowerOfTwoActivation),
}


def make_switchable(
    net: nn.Sequential, precisions: Sequence[int],
    weight: Callable[[int], WeightQuantizer] | None = None,
    activation: Callable[[int], nn.Module] | None = None, *, scheme: str = "dorefa",
    keep: Sequence[str] = (),
) -> nn.Sequential:  # fmt: skip
    """``net`` (float, of Linear, Conv2d, BatchNorm, ReLU ...) switchable between ``precisions``.

    Each BatchNorm becomes one per precision, each ReLU a clip per precision, each weight gets a
    quantizer per precision; ``keep`` names weight layers that stay as they are. ``weight`` and
    ``activation`` make the quantizers for a number of bits, by default those of ``scheme``
    (:data:`SCHEMES`). Changes ``net`` and returns it at the highest precision. Raises HW110 for
    fewer than two precisions or another scheme.
    """
    if len(set(precisions)) < 2:
        fail("HW110", where="precisions", why=f"{list(precisions)} leaves nothing to switch")
    if scheme not in SCHEMES:
        fail(
            "HW110", where="scheme", why=f"there is no {scheme!r}", help=f"use {', '.join(SCHEMES)}"
        )
    weight, activation = weight or SCHEMES[scheme][0], activation or SCHEMES[scheme][1]
    for name, layer in list(weight_layers(net)):
        if name not in keep:
            quantize_weight(layer, SwitchWeight({k: weight(k) for k in precisions}))
    _replace(net, precisions, activation)
    return net


def _replace(net: nn.Module, precisions: Sequence[int],
             activation: Callable[[int], nn.Module]) -> None:  # fmt: skip
    for name, child in net.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            setattr(net, name, Switch({k: deepcopy(child) for k in precisions}))
        elif isinstance(child, nn.ReLU):
            setattr(net, name, Switch({k: activation(k) for k in precisions}))
        elif not isinstance(child, SwitchWeight):
            _replace(child, precisions, activation)


def set_bits(net: nn.Module, bits: int) -> nn.Module:
    """Switch the whole network to a precision; returns it. Raises HW110 for one it lacks."""
    for module in net.modules():
        if isinstance(module, (Switch, SwitchWeight)):
            if str(bits) not in module.options:
                fail("HW110", where="bits", why=f"{bits} is none of {', '.join(module.options)}")
            if isinstance(module, Switch):
                module.bits = bits
            else:
                module.choose(bits)
    return net


def distill(
    net: nn.Module, x: Tensor, labels: Tensor, precisions: Sequence[int],
    mode: Distillation = "recursive", weight: float = 1.0, temperature: float = 1.0,
) -> Tensor:  # fmt: skip
    """The sum of the losses of all precisions on one batch; one ``backward`` trains them all.

    The highest learns from the labels. A lower one has
    ``(1 - m) CE(labels) + m T**2 KL(teacher || own)`` with ``m = weight``, ``T = temperature`` and
    the detached teacher the next higher precision (``recursive``) or the highest (``top``);
    ``none`` is cross-entropy throughout.
    """
    total, teacher = torch.zeros(()), None
    for bits in sorted(precisions, reverse=True):
        logits = set_bits(net, bits)(x)
        hard = functional.cross_entropy(logits, labels)
        if teacher is None or mode == "none":
            total = total + hard
        else:
            own = functional.log_softmax(logits / temperature, dim=1)
            other = functional.log_softmax(teacher / temperature, dim=1)
            soft = functional.kl_div(own, other, reduction="batchmean", log_target=True)
            total = total + (1 - weight) * hard + weight * temperature**2 * soft
        if teacher is None or mode == "recursive":
            teacher = logits.detach()
    return total


def single(net: nn.Sequential, bits: int) -> nn.Sequential:
    """A copy of ``net`` at one precision, without switches."""
    alone = set_bits(deepcopy(net), bits)
    for _, layer in list(weight_layers(alone)):
        if nn.utils.parametrize.is_parametrized(layer, "weight"):
            switch = layer.parametrizations["weight"][0]  # type: ignore[index]
            if isinstance(switch, SwitchWeight):
                quantize_weight(layer, switch.quantizer)
    _take(alone)
    assert isinstance(alone, nn.Sequential)
    return alone


def to_onnx_all(net: nn.Sequential, shape: Sequence[int], name: str = "network") -> ModelProto:
    """All precisions of ``net`` in one model: input ``x``, an output ``y4`` for 4 bits, and so on.

    Nodes and constants of a precision begin with ``b4_``; constants that several have in common,
    such as biases, stand there once. ``hwgen build --output-name y4`` builds one precision alone.
    Raises what :func:`hwgen.training.export.to_onnx` raises.
    """
    merged, known = ModelProto(), {}
    for bits in precisions(net):
        model = to_onnx(single(net, bits), shape, name)
        graph, prefix = model.graph, f"b{bits}_"
        renamed = {"x": "x", "y": f"y{bits}"}
        if not merged.graph.node:
            merged.CopyFrom(model)
            for part in ("node", "initializer", "output"):
                merged.graph.ClearField(part)
        for tensor in graph.initializer:
            content = (tuple(tensor.dims), tensor.raw_data)
            renamed[tensor.name] = known.setdefault(content, prefix + tensor.name)
            if renamed[tensor.name] == prefix + tensor.name:
                merged.graph.initializer.add().CopyFrom(tensor)
                merged.graph.initializer[-1].name = prefix + tensor.name
        for node in graph.node:
            merged.graph.node.add().CopyFrom(node)
            made = merged.graph.node[-1]
            made.name = prefix + node.name
            made.input[:] = [renamed[n] for n in node.input]
            for out in node.output:
                renamed.setdefault(out, prefix + out)
            made.output[:] = [renamed[n] for n in node.output]
        for output in graph.output:
            merged.graph.output.add().CopyFrom(output)
            merged.graph.output[-1].name = renamed[output.name]
    checker.check_model(merged)
    return merged


def is_switchable(net: nn.Module) -> bool:
    """Whether the network has several precisions."""
    return any(isinstance(m, (Switch, SwitchWeight)) for m in net.modules())


def precisions(net: nn.Module) -> tuple[int, ...]:
    """The precisions of ``net``, highest first. Raises HW110 for a network without switches."""
    switches = [m for m in net.modules() if isinstance(m, (Switch, SwitchWeight))]
    if not switches:
        fail("HW110", where="network", why="it has one precision only",
             help="make_switchable gives it several")  # fmt: skip
    return tuple(sorted(map(int, switches[0].options), reverse=True))


def _take(net: nn.Module) -> None:
    for name, child in net.named_children():
        if isinstance(child, Switch):
            setattr(net, name, child.chosen)
        else:
            _take(child)
