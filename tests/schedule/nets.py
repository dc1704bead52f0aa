"""Small graphs to schedule."""

from itertools import pairwise

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir import Chain, Graph, GraphBuilder, Port, TensorType
from hwgen.ops import Conv, MatMul, Reshape, Threshold


def begin(name: str, shape: tuple[int, ...], range_: IntRange) -> tuple[GraphBuilder, str]:
    """A builder with one input whose model layout is the edge's."""
    builder, type_ = GraphBuilder(name), TensorType(shape, range_)
    index = np.arange(type_.size).reshape(shape)
    value = builder.input(type_, Port("x", builder.fresh("x"), shape, index, Chain()))
    return builder, value


def finish(builder: GraphBuilder, value: str) -> Graph:
    shape = builder.type(value).shape
    builder.output(Port("y", value, shape, np.arange(np.prod(shape)).reshape(shape)))
    return builder.build()


def steps(builder: GraphBuilder, value: str, bits: int, name: str) -> str:
    """A quantizer to ``bits``, its thresholds spread over the range."""
    type_ = builder.type(value)
    table = np.linspace(type_.range.lo, type_.range.hi, 2**bits + 1)[1:-1].astype(int)
    return builder.add(Threshold(np.tile(table, (type_.channels, 1))), [value], name=name)


def mlp(sizes: tuple[int, ...] = (16, 12, 8, 4), bits: int = 2, seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)
    builder, value = begin("mlp", (sizes[0],), IntRange(0, 2**bits - 1))
    for k, (rows, columns) in enumerate(pairwise(sizes)):
        value = builder.add(MatMul(rng.integers(-2, 2, (rows, columns))), [value], name=f"fc{k}")
        if k < len(sizes) - 2:
            value = steps(builder, value, bits, f"act{k}")
    return finish(builder, value)


def cnn(seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)
    builder, value = begin("cnn", (6, 6, 2), IntRange(0, 3))
    for k, (ci, co) in enumerate(((2, 4), (4, 6))):
        conv = Conv(rng.integers(-2, 2, (3, 3, ci, co)), padding=(1, 1, 1, 1))
        value = steps(builder, builder.add(conv, [value], name=f"conv{k}"), 2, f"act{k}")
    value = builder.add(Reshape((216,)), [value], name="flatten")
    return finish(builder, builder.add(MatMul(rng.integers(-2, 2, (216, 4))), [value], name="fc"))
