"""Scales moved between layers, which leaves the float network as it is.

Between two layers stands nothing but ReLU, pooling and reshaping, through all of which a positive
factor passes: channel ``i`` of the first layer may be divided by ``s_i`` if the second multiplies
it.

- cross-layer equalization: Nagel et al., ICCV 2019, section 4.1. With ``r1_i`` and ``r2_i`` the
  greatest magnitudes of channel i's weights, ``s_i = sqrt(r1_i r2_i) / r2_i`` makes both ranges
  equal; pairs are visited until nothing moves.
- smoothing: Xiao et al., SmoothQuant, ICML 2023: ``s_i = max|x_i|^a / max|W2_i|^(1 - a)`` moves
  what is hard to quantize from activations, which have one scale, to weights.
- bias absorption: Nagel et al., section 4.1.3. What a channel always exceeds goes around its ReLU:
  ``b1 - c``, ``b2 + W2 c``. Only where the second layer pads nothing, since padding is not shifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwgen.frontends.float_net import FloatNet, Layer
from hwgen.frontends.tensors import attributes
from hwgen.quantize.statistics import Histogram

ROUNDS = 20
SETTLED = 1e-3  # greatest relative move of a factor in a last round
PASSING = frozenset({"Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool",
                     "GlobalMaxPool", "Identity", "Dropout", "Flatten", "Reshape"})  # fmt: skip
FLATTENING = frozenset({"Flatten", "Reshape"})


@dataclass(frozen=True, eq=False)
class Pair:
    """Two layers in a row; each output of ``first`` is ``block`` inputs of ``second``."""

    first: Layer
    second: Layer
    between: tuple
    block: int

    def inputs(self, weight: np.ndarray) -> np.ndarray:
        """The second layer's ``weight`` as ``(outputs of first, everything it multiplies)``."""
        view = self.second.view(weight)
        view = view.transpose(0, 2, 1, 3)  # (groups, inputs, outputs, kernel)
        return view.reshape(self.first.outputs, -1)

    def scale_inputs(self, net: FloatNet, factor: np.ndarray) -> None:
        """Multiply what the second layer reads from channel i by ``factor[i]``."""
        weight = net.arrays[self.second.weight]
        view = self.second.view(weight)
        spread = np.repeat(factor, self.block).reshape(view.shape[0], 1, view.shape[2], 1)
        net.arrays[self.second.weight] = self.second.unview(view * spread).astype(weight.dtype)

    @property
    def padded(self) -> bool:
        """Whether zeros enter between the two layers, or in the second."""
        nodes = [*self.between, self.second.node]
        attrs = [attributes(node) for node in nodes]
        return any(
            any(a.get("pads") or ()) or a.get("auto_pad", "NOTSET").startswith("SAME")
            for node, a in zip(nodes, attrs, strict=True) if node.op_type != "MaxPool"
        )  # fmt: skip


def pairs(net: FloatNet, passing: frozenset[str] = PASSING) -> list[Pair]:
    """All pairs with nothing between but nodes of ``passing``, none of which another node reads."""
    layers = net.layers()
    by_input = {id(layer.node): layer for layer in layers}
    found = []
    for first in layers:
        tensor, between = first.y, []
        while tensor not in net.outputs and len(readers := net.readers(tensor)) == 1:
            (node,) = readers
            second = by_input.get(id(node))
            if second is not None:
                block, left = divmod(second.inputs, first.outputs)
                flat = any(n.op_type in FLATTENING for n in between)
                dense = second.op in ("Gemm", "MatMul")
                if second.x == tensor and not left and (dense if flat else block == 1):
                    found.append(Pair(first, second, tuple(between), block))
                break
            if node.op_type not in passing or node.input[0] != tensor:
                break
            between.append(node)
            tensor = node.output[0]
    return found


def cross_layer(net: FloatNet) -> int:
    """Equalize all pairs; returns their number. BatchNormalization must have been folded."""
    found = pairs(net)
    for _ in range(ROUNDS):
        moved = 0.0
        for pair in found:
            r1 = np.abs(pair.first.rows(net.arrays[pair.first.weight])).max(axis=1)
            r2 = np.abs(pair.inputs(net.arrays[pair.second.weight])).max(axis=1)
            alive = (r1 > 0) & (r2 > 0)
            factor = np.ones(len(r1))
            factor[alive] = np.sqrt(r2[alive] / r1[alive], dtype=np.float64)
            _move(net, pair, factor)
            moved = max(moved, float(np.abs(factor - 1).max()))
        if moved < SETTLED:
            break
    return len(found)


def smooth(net: FloatNet, seen: Mapping[str, Histogram], share: float = 0.5) -> int:
    """Smooth the input of every second layer of a pair; returns how many.

    ``seen`` has per-channel histograms of the inputs of layers, by tensor.
    """
    found = pairs(net)
    for pair in found:
        histogram = seen[pair.second.x]
        greatest = np.maximum(np.abs(histogram.min), np.abs(histogram.max))
        x = greatest.reshape(pair.first.outputs, -1).max(axis=1)
        w = np.abs(pair.inputs(net.arrays[pair.second.weight])).max(axis=1)
        alive = (x > 0) & (w > 0)
        factor = np.ones(len(x))
        factor[alive] = w[alive] ** (1 - share) / x[alive] ** share
        _move(net, pair, factor)
    return len(found)


def absorb(net: FloatNet, seen: Mapping[str, Histogram]) -> int:
    """Absorb biases; returns the number of channels moved.

    ``seen`` has per-channel histograms of the outputs of layers, by tensor. The shift
    ``max(0, mean - 3 std)`` is kept to what every calibration frame exceeds.
    """
    moved = 0
    for k in range(len(pairs(net))):
        pair = pairs(net)[k]
        relus = [node.op_type for node in pair.between if node.op_type not in FLATTENING]
        if relus[:1] != ["Relu"] or not set(relus) <= {"Relu", "MaxPool"} or pair.padded:
            continue
        histogram = seen[pair.first.y]
        shift = np.minimum(histogram.mean - 3 * histogram.std, histogram.min)
        shift = np.maximum(shift, 0)
        if not shift.any():
            continue
        weight = pair.second.view(net.arrays[pair.second.weight])
        groups, _, per_group, _ = weight.shape
        spread = np.repeat(shift, pair.block).reshape(groups, per_group)
        carried = np.einsum("goik,gi->go", weight, spread).ravel()
        net.add_to_bias(pair.first, -shift)
        net.add_to_bias(pair.second, carried)
        moved += int((shift > 0).sum())
    return moved


def _move(net: FloatNet, pair: Pair, factor: np.ndarray) -> None:
    net.scale_outputs(pair.first, factor)
    pair.scale_inputs(net, 1 / factor)
