"""One residual network, written in every dialect of quantized ONNX.

All scales are powers of two and every rounding is half to even, so that each file says the same
integers: activations of 8 bits, unsigned behind a ReLU, signed where two branches meet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto

from hwgen.frontends.tensors import MICROSOFT
from tests.frontends.networks import DOMAIN
from tests.frontends.writer import Writer

SHAPE = (2, 4, 4)
CHANNELS, CLASSES = 3, 4


@dataclass(frozen=True)
class Layer:
    """Integer weights, and int32 biases in units of the input's scale times ``scale``."""

    weight: np.ndarray
    bias: np.ndarray
    scale: float


@dataclass(frozen=True)
class Parameters:
    """Three convolutions, one to each class, and the scales of the activations."""

    stem: Layer
    first: Layer
    second: Layer
    head: Layer
    given: float = 2.0**-6
    narrow: float = 2.0**-4
    wide: float = 2.0**-5

    @classmethod
    def random(cls, seed: int) -> Parameters:
        rng = np.random.default_rng(seed)

        def layer(*shape: int) -> Layer:
            return Layer(rng.integers(-127, 128, shape), rng.integers(-900, 900, shape[0]), 2.0**-9)

        square = (CHANNELS, CHANNELS, 3, 3)
        return cls(layer(CHANNELS, SHAPE[0], 3, 3), layer(*square), layer(*square),
                   layer(CLASSES, CHANNELS))  # fmt: skip


class Dialect(Writer):
    """Writes the network; a tensor is a name with its scale. Subclasses say how to quantize."""

    def __init__(self) -> None:
        super().__init__(np.random.default_rng(0), "qdq")
        self.opset, self.nodes, self.weights = 17, [], []

    def act(self, x: str, scale: float, *, signed: bool = False) -> str:
        raise NotImplementedError

    def constant(self, layer: Layer) -> str:
        raise NotImplementedError

    def bias_of(self, layer: Layer, scale: float) -> str:
        return self.const(layer.bias * scale * layer.scale)

    def network(self, p: Parameters) -> ModelProto:
        """From the model's input ``x`` to logits."""
        x = self.act("x", p.given)
        x = self.conv(x, p.stem, p.given, p.wide, strides=[1, 1], pads=[1, 1, 1, 1])
        x = self.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
        y = self.conv(x, p.first, p.wide, p.narrow, pads=[1, 1, 1, 1])
        y = self.conv(y, p.second, p.narrow, p.narrow, relu=False, pads=[1, 1, 1, 1])
        x = self.sum(x, p.wide, y, p.narrow, p.wide)
        x = self.mean(x, p.wide)
        y = self.dense(self.node("Flatten", x), p.head, p.wide)
        return self.model({"x": ("float32", (1, *SHAPE))}, [y])

    def conv(self, x: str, layer: Layer, given: float, scale: float, *, relu: bool = True,
             **attrs: Any) -> str:  # fmt: skip
        x = self.node("Conv", x, self.constant(layer), self.bias_of(layer, given), **attrs)
        return self.act(self.node("Relu", x) if relu else x, scale, signed=not relu)

    def sum(self, a: str, a_scale: float, b: str, b_scale: float, scale: float) -> str:
        return self.act(self.node("Relu", self.node("Add", a, b)), scale)

    def mean(self, x: str, scale: float) -> str:
        return self.act(self.node("GlobalAveragePool", x), scale)

    def dense(self, x: str, layer: Layer, given: float) -> str:
        return self.node("Gemm", x, self.constant(layer), self.bias_of(layer, given), transB=1)


class QuantNodes(Dialect):
    """QONNX as Brevitas writes it: a Quant on every weight and activation."""

    def act(self, x: str, scale: float, *, signed: bool = False) -> str:
        return self.quant(x, scale, 8, signed=signed)

    def constant(self, layer: Layer) -> str:
        return self.quant(self.const(layer.weight * layer.scale), layer.scale, 8, narrow=True)


class Thresholds(Dialect):
    """QONNX as FINN writes it: weights are numbers on a grid, activations count thresholds."""

    def act(self, x: str, scale: float, *, signed: bool = False) -> str:
        steps = np.arange(-127, 128) if signed else np.arange(1, 256)
        table = ((steps - 0.5) * scale).astype(np.float32)
        odd = steps % 2 == 1  # a tie goes to the even code, which is then the one below
        table[odd] = np.nextafter(table[odd], np.float32(np.inf))
        return self.node("MultiThreshold", x, self.const(table[None]), domain=DOMAIN,
                         out_scale=scale, out_bias=-128 * scale if signed else 0.0)  # fmt: skip

    def constant(self, layer: Layer) -> str:
        return self.const(layer.weight * layer.scale)


class ClippedCodes(Dialect):
    """QCDQ: QuantizeLinear, Clip, DequantizeLinear; weights are stored as integers."""

    def act(self, x: str, scale: float, *, signed: bool = False) -> str:
        kind, lo, hi = ("int8", -128, 127) if signed else ("uint8", 0, 255)
        s, zero = self.const(scale), self.const(0, kind)
        x = self.node("QuantizeLinear", x, s, zero)
        x = self.node("Clip", x, self.const(lo, kind), self.const(hi, kind))
        return self.node("DequantizeLinear", x, s, zero)

    def constant(self, layer: Layer) -> str:
        x = self.codes_of(layer)
        x = self.node("Clip", x, self.const(-127, "int8"), self.const(127, "int8"))
        return self.node("DequantizeLinear", x, self.const(layer.scale), self.const(0, "int8"))

    def codes_of(self, layer: Layer) -> str:
        return self.const(layer.weight, "int8")

    def bias_of(self, layer: Layer, scale: float) -> str:
        codes = self.const(layer.bias, np.int32)
        return self.node("DequantizeLinear", codes, self.const(scale * layer.scale))


class ClippedWeights(ClippedCodes):
    """QCDQ with real weights, which meet a QuantizeLinear of their own."""

    def codes_of(self, layer: Layer) -> str:
        x = self.const(layer.weight * layer.scale)
        return self.node("QuantizeLinear", x, self.const(layer.scale), self.const(0, "int8"))


class Pairs(ClippedCodes):
    """QDQ as onnxruntime writes it: uint8 throughout, with a zero point where signs are needed."""

    def act(self, x: str, scale: float, *, signed: bool = False) -> str:
        given = [self.const(scale), self.const(128 if signed else 0, "uint8")]
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *given), *given)

    def constant(self, layer: Layer) -> str:
        scales = np.full(len(layer.weight), layer.scale)  # one for each output
        return self.node("DequantizeLinear", self.codes_of(layer), self.const(scales),
                         self.const(np.zeros(len(scales)), "int8"), axis=0)  # fmt: skip


class Operators(Dialect):
    """QOperator: every operator takes codes with their scale and zero point."""

    def act(self, x: str, scale: float, *, signed: bool = False) -> str:
        return self.node("QuantizeLinear", x, *self.grid_of(scale, signed=signed))

    def grid_of(self, scale: float, *, signed: bool = False) -> list[str]:
        return [self.const(scale), self.const(128 if signed else 0, "uint8")]

    def weight_of(self, layer: Layer) -> list[str]:
        return [self.const(layer.weight, "int8"), self.const(layer.scale), self.const(0, "int8")]

    def conv(self, x: str, layer: Layer, given: float, scale: float, *, relu: bool = True,
             **attrs: Any) -> str:  # fmt: skip
        return self.node("QLinearConv", x, *self.grid_of(given), *self.weight_of(layer),
                         *self.grid_of(scale, signed=not relu), self.const(layer.bias, np.int32),
                         **attrs)  # fmt: skip

    def sum(self, a: str, a_scale: float, b: str, b_scale: float, scale: float) -> str:
        return self.node("QLinearAdd", a, *self.grid_of(a_scale), b,
                         *self.grid_of(b_scale, signed=True), *self.grid_of(scale),
                         domain=MICROSOFT)  # fmt: skip

    def mean(self, x: str, scale: float) -> str:
        return self.node("QLinearGlobalAveragePool", x, *self.grid_of(scale),
                         *self.grid_of(scale), domain=MICROSOFT)  # fmt: skip

    def dense(self, x: str, layer: Layer, given: float) -> str:
        return self.node("QGemm", x, *self.grid_of(given), *self.weight_of(layer),
                         self.const(layer.bias, np.int32), transB=1, domain=MICROSOFT)  # fmt: skip


DIALECTS: tuple[Callable[[], Dialect], ...] = (
    QuantNodes, Thresholds, ClippedCodes, ClippedWeights, Pairs, Operators,
)  # fmt: skip
