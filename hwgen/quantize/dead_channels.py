"""Channels that BatchNormalization blows up although they never change.

Sheng, Feng, Zhuo, Zhang, Shen, Aleksic: A quantization-friendly separable convolution for
MobileNets, arXiv 1803.08607. Where the running variance of a channel is next to nothing, so is the
channel's signal, but ``gamma / sqrt(variance + epsilon)`` makes its folded weights large: they
stretch the range of the whole tensor. Such a channel is its beta in every frame.

Its weights and what is subtracted become zero, so that it is beta exactly. Where the next layer
pads nothing, ``W_next act(beta)`` moves into that layer's bias and its weights for the channel
become zero too: the channel is gone. With zero padding the border would see another value, and it
stays. The remedies of the paper that change the network itself (no BatchNormalization and no ReLU6
between depthwise and pointwise convolutions) belong to training.
"""

from __future__ import annotations

import numpy as np

from hwgen.frontends.float_net import FloatNet
from hwgen.quantize.equalize import PASSING, Pair, pairs

VARIANCE = 1e-5


def repair(net: FloatNet, variance: float = VARIANCE) -> dict[str, int]:
    """Repair channels whose running variance is below ``variance``; how many, by layer."""
    repaired: dict[str, int] = {}
    for layer in net.layers():
        readers = net.readers(layer.y)
        if len(readers) != 1 or readers[0].op_type != "BatchNormalization":
            continue
        norm = readers[0]
        dead = net.arrays[norm.input[4]] < variance
        if not dead.any() or layer.y in net.outputs:
            continue
        zeroed = np.where(dead, 0.0, 1.0)
        net.scale_outputs(layer, zeroed)
        mean = net.arrays[norm.input[3]]
        net.arrays[norm.input[3]] = (mean * zeroed).astype(mean.dtype)
        repaired[layer.name] = int(dead.sum())
        through = PASSING | {"BatchNormalization"}
        pair = next((p for p in pairs(net, through) if p.first.name == layer.name), None)
        if pair is not None and pair.between[:1] == (norm,):
            _carry(net, pair, dead, net.arrays[norm.input[2]])
    return repaired


def _carry(net: FloatNet, pair: Pair, dead: np.ndarray, beta: np.ndarray) -> None:
    """Move constant channels into the bias of the second layer, where that is exact."""
    value = beta.astype(np.float64)
    for node in pair.between[1:]:
        if node.op_type == "Relu":
            value = np.maximum(value, 0)
        elif node.op_type in ("LeakyRelu", "BatchNormalization"):
            return
    if pair.padded:
        return
    weight = pair.second.view(net.arrays[pair.second.weight])
    groups, _, per_group, _ = weight.shape
    spread = np.repeat(np.where(dead, value, 0.0), pair.block).reshape(groups, per_group)
    carried = np.einsum("goik,gi->go", weight, spread).ravel()
    pair.scale_inputs(net, np.where(dead, 0.0, 1.0))
    net.add_to_bias(pair.second, carried)
