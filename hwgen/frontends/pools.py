"""ONNX operators that average: exact integer sums, and the division in the chain behind them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hwgen.core.window import Window, windows
from hwgen.frontends.call import Call, handles
from hwgen.frontends.geometry import image, tensor_of_image, window_of
from hwgen.frontends.layers import along, matrix_product
from hwgen.frontends.lifted import Constant, Feed, Lifted, Tensor
from hwgen.frontends.lifter import Lifter
from hwgen.ir.chain import Chain
from hwgen.ops import SumPool


@handles("AveragePool")
def average_pool(lifter: Lifter, call: Call) -> Tensor:
    return averaged(lifter, call, call.lifted())


def averaged(lifter: Lifter, call: Call, x: Lifted) -> Lifted:
    """The mean over windows of ``x``, with the attributes of ``call``."""
    kernel = tuple(call.attrs.get("kernel_shape", ()))
    if len(kernel) != len(x.shape) - 2:
        raise call.error(f"kernel {kernel} for an input {x.shape}", code="HW103")
    want = image(call, x)
    stated = window_of(call, kernel, want.shape)
    ceil = bool(call.attrs.get("ceil_mode", 0))
    window = window_of(call, kernel, want.shape, ceil=ceil) if ceil else stated
    lifter.survey(window, want.shape)
    include = bool(call.attrs.get("count_include_pad", 0))
    ones = np.ones((1, *want.shape[:2], 1), np.int64)
    inside = windows(ones, window, 0).sum(axis=(3, 4))[0]
    counted = _counted(window, stated, want.shape) if include else inside
    return summed(lifter, x, window, inside / counted, 1 / counted)


def _counted(window: Window, stated: Window, shape: tuple[int, ...]) -> np.ndarray:
    """How many pixels and padding pixels each window has: not what ceil_mode lets stand over."""
    top, left, bottom, right = stated.padding
    ones = np.ones((1, top + shape[0] + bottom, left + shape[1] + right, 1), np.int64)
    over = [p - q for p, q in zip(window.padding, stated.padding, strict=True)]
    whole = replace(window, padding=(0, 0, over[2], over[3]))
    return windows(ones, whole, 0).sum(axis=(3, 4))[0]


def summed(
    lifter: Lifter, x: Lifted, window: Window, offset: np.ndarray, factor: np.ndarray
) -> Lifted:
    """``factor * sum of window`` of real numbers, where zeros pad; images (OH, OW, 1).

    ``offset`` is how often the offset of the codes counts: ``factor`` times the pixels within.
    """
    rank = len(x.shape)
    x, permutation = lifter.fit(lifter.grid(x), image(lifter.call, x))
    m, a = along(x, permutation)
    op = SumPool(window.kernel, window.stride, window.padding, window.dilation)
    assert isinstance(x.edge, str)
    edge = lifter.emit(op, x.edge, origin=x.origin)
    shape = lifter.builder.type(edge).shape
    index = tensor_of_image(shape, rank)
    index = index[:, :1] + permutation.reshape(1, -1, *[1] * (rank - 2))
    mul, add = (np.moveaxis(np.broadcast_to(v, shape), -1, 0)[None] if np.size(v) > 1 else v
                for v in (_one(factor) * m, _one(offset) * a))  # fmt: skip
    if rank == 3:
        mul, add = (v[:, :, 0] if np.ndim(v) == 4 else v for v in (mul, add))
    y, (mul, add) = lifter.constants(Lifted(edge, index), np.asarray(mul), np.asarray(add))
    return replace(y, chain=Chain().then("affine", mul=mul, add=add))


def _one(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1)[0] if (values == values.flat[0]).all() else values


@handles("GlobalAveragePool")
def global_average_pool(lifter: Lifter, call: Call) -> Tensor:
    return globally_averaged(lifter, call, call.lifted())


def globally_averaged(lifter: Lifter, call: Call, x: Lifted) -> Lifted:
    """The mean over all pixels of each channel."""
    height, width, _ = image(call, x).shape
    window = Window((height, width), (height, width))
    return summed(lifter, x, window, np.ones((1, 1, 1)), np.full((1, 1, 1), 1 / (height * width)))


@handles("ReduceMean", "ReduceSum")
def reduce(lifter: Lifter, call: Call) -> Tensor:
    """Over pixels a sum of windows, over channels a product with ones."""
    x, rank = call.lifted(), len(call.lifted().shape)
    axes = call.attrs.get("axes")
    if call.get(1) is not None:
        axes = tuple(int(axis) for axis in np.ravel(call.constant(1, "axes")))
    if not axes and call.attrs.get("noop_with_empty_axes", 0):
        return x
    axes = axes or tuple(range(rank))
    if any(not -rank <= axis < rank for axis in axes):
        raise call.error(f"axes {axes} for a tensor of rank {rank}", code="HW103")
    axes = tuple(sorted({axis % rank for axis in axes}))
    kept = tuple(axis for axis in range(rank) if axis not in axes)
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    count = math.prod(x.shape[axis] for axis in axes)
    mean = 1 / count if call.op == "ReduceMean" else 1.0
    y = _over_pixels(lifter, x, axes, mean)
    if y is None:
        y = _reduced(lifter, call, x, axes, kept, mean).layout(lambda index: index.reshape(shape))
    if call.attrs.get("keepdims", 1):
        return y
    return y.layout(lambda index: index.reshape([shape[axis] for axis in kept]))


def _over_pixels(lifter: Lifter, x: Lifted, axes: tuple[int, ...], mean: float) -> Lifted | None:
    """``mean`` times the sums over rows or columns of an image; None where it is none."""
    rank, channels = len(x.shape), lifter.channel_axis(x)
    if rank not in (3, 4) or x.shape[0] != 1 or {0, channels} & set(axes) or channels is None:
        return None
    order = [0, channels, *(axis for axis in range(1, rank) if axis != channels)]
    kernel = [x.shape[axis] if axis in axes else 1 for axis in order[2:]]
    size = (kernel[0], kernel[1]) if rank == 4 else (1, kernel[0])
    images = x.layout(lambda index: index.transpose(order))
    once = np.ones((1, 1, 1)) * mean
    y = summed(lifter, images, Window(size, size), once * math.prod(size), once)
    return y.layout(lambda index: index.transpose(np.argsort(order)))


def _reduced(
    lifter: Lifter, call: Call, x: Lifted, axes: tuple[int, ...], kept: tuple[int, ...], mean: float
) -> Lifted:
    """``mean`` times the sums over ``axes``, in the order of the axes that are kept."""
    turned = x.index.transpose(*kept, *axes)
    sizes = [x.shape[axis] for axis in axes]
    outputs, count = math.prod(x.shape[axis] for axis in kept), math.prod(sizes)
    rows = turned.reshape(outputs, count)
    channel = rows % lifter.edge_shape(x)[-1]
    if not isinstance(x.edge, Feed) and count > 1 and (channel != channel[:, :1]).any():
        ones = np.ones((count, 1), np.int64)
        weight = Constant(ones * mean, ones, np.full(ones.shape, mean))
        return matrix_product(lifter, call, replace(x, index=rows), weight)
    height, width = math.prod(sizes[:-1]), sizes[-1]
    images = replace(x, index=turned.reshape(1, outputs, height, width))
    window = Window((height, width), (height, width))
    once = np.ones((1, 1, 1))
    return summed(lifter, images, window, once * mean * count, once * mean)
