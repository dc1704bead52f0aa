"""Graphs that fork and join, by hand and at random."""

from __future__ import annotations

from random import Random

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir import Chain, Graph, GraphBuilder, Op, Port, TensorType
from hwgen.ops import (
    Add,
    Concat,
    Conv,
    DepthToSpace,
    DepthwiseConv,
    Interleave,
    MatMul,
    MaxPool,
    Mul,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    TopK,
    Transpose,
    Upsample,
)

Shape = tuple[int, ...]


class Sketch(GraphBuilder):
    """A builder for images of two bits, which every layer comes back to."""

    def begin(self, shape: Shape) -> str:
        value, type_ = self.fresh("x"), TensorType(shape, IntRange(0, 3))
        return self.input(type_, _port(value, shape))

    def end(self, *values: str) -> Graph:
        for value in values:
            self.output(_port(value, self.type(value).shape))
        return self.build()

    def put(self, op: Op, *inputs: str) -> str:
        return self.add(op, inputs, name=type(op).__name__.lower())

    def quantize(self, value: str) -> str:
        x = self.type(value).range
        steps = [x.lo + (x.hi - x.lo) * k // 4 for k in (1, 2, 3)]
        return self.put(Threshold(np.array([steps])), value)

    def conv(self, x: str, channels: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> str:
        weight = self._weights(kernel, kernel, self.type(x).channels // groups, channels)
        border = (kernel // 2,) * 4
        return self.quantize(self.put(Conv(weight, (stride, stride), border, groups=groups), x))

    def depthwise(self, x: str) -> str:
        weight = self._weights(3, 3, self.type(x).channels, 1)
        return self.quantize(self.put(DepthwiseConv(weight, padding=(1, 1, 1, 1)), x))

    def dense(self, x: str, channels: int) -> str:
        return self.quantize(self.put(MatMul(self._weights(self.type(x).channels, channels)), x))

    def halve(self, x: str) -> str:
        return self.put(MaxPool((2, 2), (2, 2)), x)

    def gate(self, x: str) -> str:
        """Squeeze and excite: a gate for every channel from the sums of all."""
        sums = self.quantize(self.put(SumPool(self.type(x).shape[:2]), x))
        gates = self.dense(self.dense(sums, 2), self.type(x).channels)
        return self.quantize(self.put(Mul(), x, gates))

    def _weights(self, *shape: int) -> np.ndarray:
        return np.random.default_rng(len(list(self.nodes()))).integers(-3, 4, shape)


def _port(value: str, shape: Shape) -> Port:
    return Port(value, value, shape, np.arange(np.prod(shape)).reshape(shape), Chain())


def residual() -> Graph:
    b = Sketch("residual")
    x = b.begin((6, 6, 4))
    return b.end(b.quantize(b.put(Add((3, 2)), b.conv(x, 4), x)))


def resnet() -> Graph:
    """Two blocks, the second with a projection on its short way."""
    b = Sketch("resnet")
    x = b.conv(b.begin((6, 6, 2)), 4)
    x = b.quantize(b.put(Add((1, 1)), b.conv(b.conv(x, 4), 4), x))
    long, short = b.conv(b.conv(x, 8, stride=2), 8), b.conv(x, 8, 1, stride=2)
    return b.end(b.quantize(b.put(Add((1, 2), np.arange(8)), long, short)))


def inception() -> Graph:
    """Four branches of unequal latency."""
    b = Sketch("inception")
    x = b.begin((6, 6, 4))
    pooled = b.put(MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), x)
    branches = [b.conv(x, 2, 1), b.conv(b.conv(x, 2, 1), 4), b.conv(b.conv(x, 2, 1), 2, 5), pooled]
    return b.end(b.put(Concat(), *branches))


def unet() -> Graph:
    b = Sketch("unet")
    top = b.conv(b.begin((8, 8, 2)), 4)
    middle = b.conv(b.halve(top), 6)
    bottom = b.conv(b.halve(middle), 8)
    middle = b.conv(b.put(Concat(), b.put(Upsample((2, 2)), bottom), middle), 4)
    return b.end(b.conv(b.put(Concat(), b.put(Upsample((2, 2)), middle), top), 2))


def squeeze_excite() -> Graph:
    b = Sketch("squeeze_excite")
    return b.end(b.gate(b.depthwise(b.begin((6, 6, 8)))))


def split() -> Graph:
    """Half of the channels go a longer way, and are shuffled with the others by a grouped layer."""
    b = Sketch("split")
    x = b.begin((6, 6, 8))
    halves = [b.put(Slice((0, 0, c), (6, 6, c + 4), (1, 1, 1)), x) for c in (0, 4)]
    return b.end(b.conv(b.put(Concat(), halves[0], b.depthwise(halves[1])), 8, 1, groups=2))


def transposed() -> Graph:
    b = Sketch("transposed")
    x = b.put(Interleave((2, 2)), b.begin((4, 4, 4)))
    return b.end(b.put(DepthToSpace(2), b.conv(b.conv(x, 4), 4, 1)))


def two_inputs() -> Graph:
    b = Sketch("two_inputs")
    x, y = b.begin((6, 6, 4)), b.begin((6, 6, 2))
    return b.end(b.quantize(b.put(Add((1, 1)), b.conv(x, 4), b.conv(y, 4, 1))))


def two_outputs() -> Graph:
    """One of them is read inside as well."""
    b = Sketch("two_outputs")
    x = b.begin((8, 8, 4))
    first = b.conv(x, 4)
    return b.end(first, b.put(TopK(1), b.put(Reshape((16,)), b.halve(b.conv(first, 1)))))


def double() -> Graph:
    """Both operands are one value."""
    b = Sketch("double")
    x = b.begin((4, 4, 2))
    return b.end(b.put(Add((1, 1)), x, x))


def frames_apart() -> Graph:
    """The short way holds more frames than any layer of the long one."""
    b = Sketch("frames_apart")
    x = y = b.begin((4, 4, 2))
    for _ in range(6):
        y = b.put(Transpose((1, 0, 2)), y)
    return b.end(b.put(Add((1, 1)), y, x))


def gathered() -> Graph:
    """A word collected from the input waits for a slow layer, which reads that input as well."""
    b = Sketch("gathered")
    x = b.begin((16,))
    y = b.dense(x, 8)
    return b.end(b.put(MatMul(b._weights(8, 8)), y), b.put(Concat(), y, x))


def random_graph(seed: int) -> Graph:
    """Some layers, each on values made before; what nothing reads is an output."""
    r, b = Random(seed), Sketch("random")
    shape = (r.choice([4, 6]), r.choice([4, 6]))
    values = [b.begin((*shape, r.choice([2, 4]))) for _ in range(r.randint(1, 2))]
    inputs = list(values)

    def like(x: str, axes: int) -> str:
        same = [v for v in values if b.type(v).shape[:axes] == b.type(x).shape[:axes]]
        return r.choice(same)

    def layer(x: str) -> str:
        match r.randrange(8):
            case 0 | 1:
                return b.conv(x, r.choice([2, 4]), r.choice([1, 3]))
            case 2:
                return b.depthwise(x)
            case 3:
                return b.put(MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), x)
            case 4:
                return b.quantize(b.put(Add((1, 2)), x, like(x, 3)))
            case 5:
                return b.put(Concat(), x, like(x, 2))
            case 6:
                return b.gate(x)
            case _:
                back = r.choice([Upsample((2, 2)), None])
                if back:
                    return b.put(back, b.halve(x))
                return b.put(DepthToSpace(2), b.put(SpaceToDepth(2), x))

    values += [layer(x) for x in inputs]
    for _ in range(r.randint(2, 6)):
        values.append(layer(r.choice(values[-3:])))
    read = {name for node in b.nodes() for name in node.inputs}
    ends = [value for value in values if value not in read]
    inner = [value for value in values if value in read and value not in inputs]
    return b.end(*ends, *(r.sample(inner, 1) if inner and r.random() < 0.3 else []))
