"""Random quantized networks, for every test that wants nets nobody chose by hand.

``random_network(rng)`` draws one: a perceptron, a 2-D or a 1-D convolutional network in QONNX. With
``exact`` all scales are powers of two and all parameters dyadic, so that float32 computes every
tensor without rounding and any difference to the integer graph is a fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

DOMAIN = "qonnx.custom_op.general"
ROUNDINGS = ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "round"]
FRAMES = 16


@dataclass
class Network:
    """A model, example frames ``(N, ...)`` by input name, and what its quantizers make.

    ``probes`` names the output of every activation quantizer, in the order of the graph.
    """

    model: ModelProto
    frames: dict[str, np.ndarray]
    exact: bool
    probes: list[str] = field(default_factory=list)


class Net:
    """Writes ONNX: every method adds a node and returns its output's name."""

    def __init__(self, rng: np.random.Generator, *, exact: bool = True, opset: int = 13) -> None:
        self.rng, self.exact, self.opset = rng, exact, opset
        self.nodes: list[Any] = []
        self.weights: list[TensorProto] = []
        self.probes: list[str] = []
        self.count = 0

    def fresh(self, hint: str) -> str:
        self.count += 1
        return f"{hint}_{self.count}"

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = self.fresh("c")
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, domain: str = "", **attrs: Any) -> str:
        names = [self.fresh(op.lower()) for _ in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, name=self.fresh(op), domain=domain, **attrs)
        )
        return names[-1]

    def quant(self, x: str, scale: Any, bits: int, *, zero: float = 0, signed: bool = True,
              narrow: bool = False, rounding: str = "ROUND") -> str:  # fmt: skip
        arguments = [self.const(scale), self.const(zero), self.const(bits)]
        return self.node("Quant", x, *arguments, domain=DOMAIN, signed=int(signed),
                         narrow=int(narrow), rounding_mode=rounding)  # fmt: skip

    def model(self, inputs: dict[str, tuple], outputs: list[str], kind: int = TensorProto.FLOAT,
              out_kind: int = TensorProto.FLOAT) -> ModelProto:  # fmt: skip
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info(n, kind, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, out_kind, None) for n in outputs],
            self.weights,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    # Random parts

    def pick(self, *options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def maybe(self, probability: float = 0.5) -> bool:
        return bool(self.rng.random() < probability)

    def power(self, near: float) -> float:
        """A scale near a number: a power of two where the net is to be exact."""
        if self.exact:
            return float(2.0 ** np.rint(np.log2(near)))
        return float(near * self.rng.uniform(0.8, 1.2))

    def dyadic(self, shape: tuple[int, ...], spread: float) -> np.ndarray:
        values = self.rng.normal(0, spread, shape)
        return np.rint(values * 16) / 16 if self.exact else values

    def activation(self, x: str, shape: tuple[int, ...], spread: float) -> tuple[str, float]:
        """A random quantizer on tensor ``x``; the output's spread is returned with it."""
        kind = self.pick("quant", "quant", "quant", "bipolar", "sign", "thresholds", "trunc")
        if kind == "bipolar":
            scale = self.power(spread)
            y = self.node("BipolarQuant", x, self.const([scale]), domain=DOMAIN)
        elif kind == "sign":
            scale = self.power(spread)
            y = self.quant(x, scale, 1)
        elif kind == "thresholds":
            steps, rows = self.rng.integers(1, 8), self.pick(1, shape[1])
            table = np.sort(self.dyadic((rows, steps), spread), axis=1)
            scale = self.power(2 * spread / steps)
            y = self.node("MultiThreshold", x, self.const(table), domain=DOMAIN, out_scale=scale,
                          out_bias=self.pick(0.0, -scale), out_dtype="UINT4")  # fmt: skip
        else:
            bits = int(self.rng.integers(1, 9))
            signed = self.maybe()
            narrow = bits > 1 and self.maybe(0.3)
            levels = 2.0 ** (bits - 1)
            scale = self.power((1.5 if signed else 0.5) * spread / levels)
            zero = self.pick(0, 0, 0, 1, 2) if bits > 2 else 0
            y = self.quant(x, scale, bits, zero=zero, signed=signed, narrow=narrow,
                           rounding=self.pick(*ROUNDINGS))  # fmt: skip
            if kind == "trunc" and bits > 3 and not zero:
                self.probes.append(y)
                y = self.trunc(y, scale, bits, signed, narrow)
        self.probes.append(y)
        return y, spread

    def trunc(self, x: str, scale: float, bits: int, signed: bool, narrow: bool) -> str:
        shift, mode = int(self.rng.integers(1, 3)), self.pick("FLOOR", "ROUND", "CEIL")
        given = [x, self.const(scale), self.const(0), self.const(bits)]
        if self.maybe():
            return self.node("Trunc", *given, self.const(bits - shift), domain=DOMAIN,
                             rounding_mode=mode)  # fmt: skip
        return self.node("Trunc", *given, self.const(scale * 2**shift), self.const(bits - shift),
                         domain=DOMAIN, rounding_mode=mode, signed=int(signed),
                         narrow=int(narrow))  # fmt: skip

    def weight(self, shape: tuple[int, ...], out_axis: int) -> tuple[str, float]:
        """A quantized weight; its spread is returned with it."""
        values = self.const(self.rng.normal(0, 1, shape))
        per_channel = self.maybe(0.4)
        scale_shape = [1] * len(shape)
        scale_shape[out_axis] = shape[out_axis] if per_channel else 1
        count = int(np.prod(scale_shape))
        powers = [self.power(0.5 * 2.0 ** self.rng.integers(-1, 2)) for _ in range(count)]
        scale = np.array(powers).reshape(scale_shape)
        scale = scale if per_channel or self.maybe() else scale.reshape(())
        kind = self.pick("quant", "quant", "bipolar", "ternary", "sign")
        if kind == "bipolar":
            return self.node("BipolarQuant", values, self.const(scale), domain=DOMAIN), 0.5
        if kind == "sign":
            return self.quant(values, scale, 1), 0.5
        bits = 2 if kind == "ternary" else int(self.rng.integers(2, 9))
        scale = scale * 2.0 ** (2 - bits) * 2
        return self.quant(values, scale, bits, narrow=kind == "ternary" or self.maybe()), 1.0

    def after(self, x: str, shape: tuple[int, ...], spread: float) -> tuple[str, float]:
        """Some of scale, bias, batch normalization and an activation, of channel axis 1."""
        column = (1, shape[1], *[1] * (len(shape) - 2))
        sign = self.rng.choice([-1.0, 1.0], shape[1])
        if self.maybe(0.3):
            x = self.node("Mul", x, self.const((sign * self.power(1.0)).reshape(column)))
        if self.maybe(0.3):
            bias = self.const(self.dyadic(column, spread / 4))
            x = self.node(self.pick("Add", "Sub"), *self.rng.permutation([x, bias]))
        if self.maybe(0.5):
            gamma = self.rng.choice([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], shape[1])
            gamma = gamma if self.exact else gamma * self.rng.uniform(0.7, 1.3, shape[1])
            bias, mean = (self.dyadic((shape[1],), spread / 4) for _ in range(2))
            root = self.pick(0.5, 1.0, 2.0) if self.exact else self.rng.uniform(0.5, 2)
            var = np.full(shape[1], np.float32(root**2) - np.float32(2.0**-10))
            parameters = [self.const(p) for p in (gamma, bias, mean, var)]
            x = self.node("BatchNormalization", x, *parameters, epsilon=2.0**-10)
            spread = spread / root
        kind = self.pick("none", "relu", "relu", "clip", "none", *([] if self.exact else ["tanh"]))
        if kind == "clip":
            x = self.node(
                "Clip", x, self.const(-self.power(spread)), self.const(self.power(spread))
            )
        elif kind != "none":
            x = self.node(kind.capitalize(), x)
        return x, spread if kind != "tanh" else 0.5


def random_network(rng: np.random.Generator, *, exact: bool = True) -> Network:
    """One network: 1 to 3 layers and a tail of logits, codes or class indices."""
    net = Net(rng, exact=exact, opset=int(rng.choice([11, 13, 17])) if exact else 13)
    kind = net.pick("mlp", "mlp", "cnn", "cnn", "conv1d")
    channels, size = int(rng.integers(1, 5)), int(rng.integers(4, 9))
    layout = "NCHW"
    if kind == "mlp":
        shape: tuple[int, ...] = net.pick((1, 24), (1, 1, 4, 6), (1, 3, 2, 4))
    elif kind == "cnn":
        layout = net.pick("NCHW", "NHWC")
        height, width = size, int(rng.integers(4, 9))
        shape = (1, channels, height, width) if layout == "NCHW" else (1, height, width, channels)
    else:
        shape = (1, channels, 2 * size)
    batch = net.pick(1, "N") if kind != "mlp" or len(shape) == 2 else 1
    x, spread, given = "x", 1.0, shape
    if net.maybe(0.3):
        x = net.node("Mul", x, net.const(2.0))
        x, spread = net.node("Sub", x, net.const([1.0])), 2.0
    if layout == "NHWC" and net.maybe():
        x, shape, layout = *_transposed(net, x, shape), "NCHW"
    bits = int(rng.integers(1, 9))
    scale = net.power(spread / 2.0 ** (bits - 1))
    if net.maybe(0.2):
        x = net.node("BipolarQuant", x, net.const(scale), domain=DOMAIN)
    else:
        x = net.quant(x, scale, bits, signed=net.maybe(0.7), rounding=net.pick(*ROUNDINGS))
    net.probes.append(x)
    if layout == "NHWC":
        x, shape = _transposed(net, x, shape)
    for _ in range(int(rng.integers(1, 3))):
        if kind == "mlp":
            x, shape, spread = _dense(net, x, shape, spread, int(rng.integers(3, 17)))
        else:
            x, shape, spread = _conv(net, x, shape, spread)
        x, spread = net.after(x, shape, spread)
        pooled = kind != "mlp" and min(s for s in shape[2:] if s) >= 3 and net.maybe()
        if pooled and net.maybe():
            x, shape = pool(net, x, shape)
            pooled = False
        x, spread = net.activation(x, shape, spread)
        if pooled:
            x, shape = pool(net, x, shape)
    return _finish(net, x, shape, spread, given, batch)


def _transposed(net: Net, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    return net.node("Transpose", x, perm=[0, 3, 1, 2]), (1, shape[3], shape[1], shape[2])


def _flattened(net: Net, x: str, shape: tuple[int, ...]) -> str:
    """A vector, in the order of the channels first or last."""
    if len(shape) == 2:
        return x
    if len(shape) == 4 and net.maybe(0.3):
        x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    if net.maybe():
        return net.node("Flatten", x)
    if net.maybe():
        return net.node("Reshape", x, net.const([1, -1], np.int64))
    parts = net.node("Gather", net.node("Shape", x), net.const(0, np.int64), axis=0)
    axes = {"axes": [0]} if net.opset < 13 else {}
    more = [] if net.opset < 13 else [net.const([0], np.int64)]
    lead = net.node("Unsqueeze", parts, *more, **axes)
    return net.node("Reshape", x, net.node("Concat", lead, net.const([-1], np.int64), axis=0))


def _dense(
    net: Net, x: str, shape: tuple[int, ...], spread: float, outputs: int
) -> tuple[str, tuple[int, ...], float]:
    x = _flattened(net, x, shape)
    inputs = int(np.prod(shape))
    turned = net.maybe()
    w, size = net.weight((outputs, inputs) if turned else (inputs, outputs), 0 if turned else 1)
    spread = spread * size * inputs**0.5
    if net.maybe():
        bias = [net.const(net.dyadic((outputs,), spread / 4))] if net.maybe() else []
        y = net.node("Gemm", x, w, *bias, transB=int(turned), alpha=net.pick(1.0, 0.5))
    else:
        y = net.node("MatMul", x, net.node("Transpose", w, perm=[1, 0]) if turned else w)
    return y, (1, outputs), spread


def _conv(
    net: Net, x: str, shape: tuple[int, ...], spread: float
) -> tuple[str, tuple[int, ...], float]:
    rank, outputs = len(shape) - 2, int(net.rng.integers(2, 7))
    kernel = [int(min(net.rng.integers(1, 4), size)) for size in shape[2:]]
    strides = [int(net.rng.integers(1, 3)) for _ in range(rank)]
    dilations = [int(net.pick(1, 1, 2)) if (k - 1) * 2 < n else 1
                 for k, n in zip(kernel, shape[2:], strict=True)]  # fmt: skip
    w, size = net.weight((outputs, shape[1], *kernel), 0)
    spread = spread * size * float(np.prod(kernel) * shape[1]) ** 0.5
    bias = [net.const(net.dyadic((outputs,), spread / 4))] if net.maybe() else []
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    pads = [0] * 2 * rank
    if net.maybe(0.2) and max(dilations) == 1:
        attrs["auto_pad"] = net.pick("SAME_UPPER", "SAME_LOWER")
        sizes = [-(-n // s) for n, s in zip(shape[2:], strides, strict=True)]
    else:
        if net.maybe():
            pads = [int(net.rng.integers(0, 3)) for _ in range(2 * rank)]
        attrs["pads"] = pads
        sizes = [
            (n + pads[i] + pads[i + rank] - (k - 1) * d - 1) // s + 1
            for i, (n, k, s, d) in enumerate(
                zip(shape[2:], kernel, strides, dilations, strict=True)
            )
        ]
    return net.node("Conv", x, w, *bias, **attrs), (1, outputs, *sizes), spread


def pool(net: Net, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    rank = len(shape) - 2
    if net.maybe(0.15):
        return net.node("GlobalMaxPool", x), (1, shape[1], *[1] * rank)
    kernel = [int(net.rng.integers(2, 4)) if n >= 3 else 1 for n in shape[2:]]
    strides = [int(net.rng.integers(1, 3)) for _ in range(rank)]
    pads = [int(net.rng.integers(0, 2)) if k > 1 else 0 for k in kernel] * 2
    ceil = net.maybe(0.3)
    sizes = []
    for n, k, s, p in zip(shape[2:], kernel, strides, pads, strict=False):
        free = n + 2 * p - k
        count = (-(-free // s) if ceil else free // s) + 1
        sizes.append(count - (ceil and (count - 1) * s >= n + p))
    y = net.node("MaxPool", x, kernel_shape=kernel, strides=strides, pads=pads,
                 ceil_mode=int(ceil))  # fmt: skip
    return y, (1, shape[1], *sizes)


def _finish(
    net: Net, x: str, shape: tuple[int, ...], spread: float, given: tuple[int, ...], batch: Any
) -> Network:
    tail = net.pick("codes", "logits", "logits", "argmax", "topk") if net.exact else "codes"
    kind = TensorProto.FLOAT
    if tail in ("argmax", "topk"):
        w = net.quant(net.const(net.rng.normal(0, 1, (int(np.prod(shape)), 7))), 0.25, 4)
        x = net.node("MatMul", _flattened(net, x, shape), w)
        kind = TensorProto.INT64
        if tail == "argmax":
            x = net.node("ArgMax", x, axis=1, keepdims=net.pick(0, 1))
        else:
            x = net.node("TopK", x, net.const([int(net.pick(1, 3))], np.int64), axis=-1, outputs=2)
    elif tail == "logits":
        x, shape, spread = _dense(net, x, shape, spread, 5)
        x, _ = net.after(x, shape, spread)
    model = net.model({"x": (batch, *given[1:])}, [x], out_kind=kind)
    frames = net.rng.normal(0.3, 1.0, (FRAMES, *given[1:])).astype(np.float32)
    if net.exact:
        frames = np.rint(frames * 64).astype(np.float32) / 64
    return Network(model, {"x": frames}, net.exact, net.probes)
