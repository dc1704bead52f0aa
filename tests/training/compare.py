"""A network in PyTorch against the integers that hwgen makes of its export.

Float32 sums differ from exact ones in the last bits, which matters only where a quantizer's input
lies on the edge between two codes. Frames that come that near to an edge anywhere are set apart and
counted; in all others every output integer must be the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.frontends import lift, source_of
from hwgen.ir.execute import run_frames
from hwgen.ir.graph import Graph
from hwgen.training.export import to_onnx
from hwgen.training.grid import Bipolar, Table, Uniform, limits
from hwgen.training.quantizers import quantizer_of, weight_layers

NEAR = 2e-5  # of a step


@dataclass(frozen=True)
class Compared:
    graph: Graph
    frames: int
    near: int


def edge_distance(module: nn.Module, x: Tensor) -> Tensor:
    """How far each element is from where its code changes, in steps (Sign: in units)."""
    match module.form():
        case Bipolar():
            return x.abs()
        case Table(thresholds, scale):
            return ((x[..., None] - thresholds) / scale).abs().amin(-1)
        case Uniform(scale, bits, signed, narrow, zero):
            v = x / scale + (0.0 if zero is None else zero)
            v = v.clamp(*limits(bits, signed=signed, narrow=narrow))
            return (v - v.floor() - 0.5).abs()
    raise AssertionError


@torch.no_grad()
def compare(net: nn.Sequential, frames: np.ndarray) -> Compared:
    """Fails unless weights and outputs are the same integers."""
    graph = lift(source_of(to_onnx(net, frames.shape[1:])))
    ours = run_frames(graph, {"x": frames})["y"]
    near = np.zeros(len(frames), bool)

    def watch(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        distance = edge_distance(module, inputs[0]).reshape(len(frames), -1).amin(1)
        near[:] |= (distance < NEAR).numpy()

    quantizers = [m for m in net.modules() if hasattr(m, "form")]
    hooks = [m.register_forward_pre_hook(watch) for m in quantizers]
    theirs = net.eval()(torch.from_numpy(frames)).numpy()
    for hook in hooks:
        hook.remove()
    check_weights(net, graph)
    step = np.abs(graph.outputs[0].chain.steps[0].args["mul"]).min()  # of one output integer
    differs = (np.abs(ours - theirs) > 0.25 * step).reshape(len(frames), -1).any(1)
    assert not differs[~near].any(), f"{differs[~near].sum()} of {(~near).sum()} frames differ"
    return Compared(graph, len(frames), int(near.sum()))


def check_weights(net: nn.Sequential, graph: Graph) -> None:
    """Every layer's codes are the graph's, and times their scale the weight itself."""
    held = [np.asarray(node.op.weight) for node in graph.nodes if hasattr(node.op, "weight")]
    layers = [layer for _, layer in weight_layers(net)]
    assert len(held) == len(layers)
    flat = any(isinstance(module, nn.Flatten) for module in net.modules())
    for layer, have in zip(layers, held, strict=True):
        made = quantizer_of(layer).integers(layer.parametrizations["weight"].original)
        codes = made.codes.numpy()
        want = codes.T if codes.ndim == 2 else codes.transpose(2, 3, 1, 0)
        assert np.array_equal(made.values, layer.weight), "codes times scale is the weight itself"
        assert np.array_equal(np.sort(have, axis=-2), np.sort(want, axis=-2))
        if have.ndim == 4 or not flat:  # after a Flatten, rows stand in another order
            assert np.array_equal(have, want)


def warm_up(net: nn.Sequential, frames: np.ndarray) -> nn.Sequential:
    """Start what starts from data, and give BatchNorm statistics and slopes of both signs."""
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(module.weight, 0.5, 2)
            module.weight.data[::3] *= -1
            nn.init.normal_(module.bias, 0.3, 0.5)
            module.momentum = 0.5
    with torch.no_grad():
        for _ in range(4):
            net.train()(torch.from_numpy(frames))
    return net
