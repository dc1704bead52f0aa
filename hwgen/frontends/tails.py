"""ONNX operators that compare: pooling over pixels, classification over channels, softmax."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hwgen.core.window import Window
from hwgen.frontends.call import Call, handles
from hwgen.frontends.geometry import image, tensor_of_image, window_of
from hwgen.frontends.lifted import Feed, Lifted, Tensor, affine_of
from hwgen.frontends.lifter import RECODINGS, Lifter
from hwgen.frontends.thresholds import ENUMERATE, sample
from hwgen.ir.chain import Chain
from hwgen.ops import Add, Conv, MatMul, MaxPool, TopK


@handles("MaxPool")
def max_pool(lifter: Lifter, call: Call) -> Tensor:
    x = call.lifted(integer=True)
    if any(call.needed[1:]):
        raise call.error("its indices are used")
    ceil = bool(call.attrs.get("ceil_mode", 0))
    want = image(call, x)
    kernel = tuple(call.attrs.get("kernel_shape", ()))
    if len(kernel) != len(x.shape) - 2:
        raise call.error(f"kernel {kernel} for an input {x.shape}", code="HW103")
    return _pooled(lifter, call, x, window_of(call, kernel, want.shape, ceil=ceil))


@handles("GlobalMaxPool")
def global_max_pool(lifter: Lifter, call: Call) -> Tensor:
    x = call.lifted(integer=True)
    height, width, _ = image(call, x).shape
    return _pooled(lifter, call, x, Window((height, width), (height, width)))


def _pooled(lifter: Lifter, call: Call, x: Lifted, window: Window) -> Tensor:
    """The maximum of integers is that of the real numbers where the chain between them rises."""
    falling = lifter.directions(x) < 0
    if falling.any():
        x = _flipped(lifter, call, x, falling)
    x, permutation = lifter.fit(x, image(call, x))
    assert isinstance(x.edge, str)
    op = MaxPool(window.kernel, window.stride, window.padding, window.dilation)
    edge = lifter.emit(op, x.edge)
    index = tensor_of_image(lifter.builder.type(edge).shape, len(x.shape))
    channels = tensor_of_image((1, 1, index.shape[1]), len(x.shape))[:, permutation]
    pixels = index[:, :1]
    return replace(x, edge=edge, index=pixels + channels)


def _flipped(lifter: Lifter, call: Call, x: Lifted, falling: np.ndarray) -> Lifted:
    """``x`` on an edge whose falling channels are negated in the layer that makes them."""
    producer = lifter.builder.node_of(x.edge) if isinstance(x.edge, str) else None
    if producer is None or not isinstance(producer.op, (MatMul, Conv)):
        raise call.error("the function before it falls, and the layer that makes its input cannot "
                    "be negated", "use positive scales before pooling", "HW204")  # fmt: skip
    sign = np.where(falling, -1, 1)
    op = replace(producer.op, weight=producer.op.weight * sign)
    edge = lifter.builder.add(op, producer.inputs, name=producer.name, origin=producer.origin)
    first, *others = x.chain.steps
    assert first.kind == "affine", "a layer's chain begins with its scale"
    mul = np.asarray(first.args["mul"]) * sign
    chain = Chain().then("affine", mul=mul, add=first.args["add"])
    return replace(x, edge=edge, chain=Chain((*chain.steps, *others)))


@handles("ArgMax", "TopK")
def top_k(lifter: Lifter, call: Call) -> tuple[Tensor | None, ...]:
    """Indices of the greatest channels; ties go to the lower index, as in onnxruntime."""
    x = call.lifted(integer=True)
    axis, k, keep = call.attrs.get("axis", 0), 1, bool(call.attrs.get("keepdims", 1))
    if call.op == "ArgMax" and call.attrs.get("select_last_index", 0):
        raise call.error("it selects the last of equal elements", "select the first")
    if call.op == "TopK":
        axis, keep = call.attrs.get("axis", -1), True
        k = int(np.ravel(call.constant(1, "k"))[0]) if call.get(1) else call.attrs.get("k", 1)
        if not call.attrs.get("largest", 1):
            raise call.error("it looks for the smallest elements")
        if call.needed[0]:
            raise call.error("its values are used", "use its indices only, or the logits")
    if x.chain.steps and x.chain.steps[-1].kind == "softmax":
        x = replace(x, chain=Chain(x.chain.steps[:-1]))  # rises, so the order stays
    x = lifter.ordered(*lifter.pixels(_ordered(lifter, call, x), axis))
    if not 1 <= k <= lifter.edge_shape(x)[-1]:
        raise call.error(f"k is {k} of {lifter.edge_shape(x)[-1]} channels", code="HW103")
    assert isinstance(x.edge, str)
    edge = lifter.emit(TopK(k), x.edge, origin=x.origin)
    leading = np.moveaxis(x.index, axis, -1).shape[:-1]
    index = np.moveaxis(np.arange(math.prod(leading) * k).reshape(*leading, k), -1, axis)
    y = Lifted(edge, index if keep else index.squeeze(axis), dtype="int64")
    return (None, y) if call.op == "TopK" else (y,)


def _ordered(lifter: Lifter, call: Call, x: Lifted) -> Lifted:
    """``x`` where its integers alone decide which channel is greatest, ties included."""
    lifter.pointwise(x)
    x = _unbiased(lifter, x)
    x = _with_offsets(lifter, x)
    if any(array.size > 1 for array in x.chain.arrays()):
        raise call.error(
            "the scale or bias before it differs between channels: integers do not order them",
            "end the model at the logits",
        )
    range_ = lifter.integers(x)
    every = range_.size <= ENUMERATE
    q = np.arange(range_.lo, range_.hi + 1) if every else sample(range_)
    steps = np.diff(x.chain(q[:, None])[:, 0])
    if (steps > 0).all():
        return x
    if (steps >= 0).all() and len(x.chain.steps) > 1 and not isinstance(x.edge, Feed):
        flat = lifter.grid(x)  # a pending ReLU makes ties of its own: it becomes a threshold
        if len(flat.chain.steps) == 1:
            return _ordered(lifter, call, flat)
    raise call.error("the function before it does not rise from integer to integer",
                "end the model at the logits", "HW204")  # fmt: skip


def _with_offsets(lifter: Lifter, x: Lifted) -> Lifted:
    """``x`` on integers that are ordered as the real numbers are, where only biases differ.

    With ``m > 0`` for all, channel c is greater than d where ``q_c + b_c > q_d + b_d``, ``b`` the
    bias by ``m``. Only the order of the fractions of ``b`` matters: ``n*q + n*floor(b) + rank`` has
    the same order, n being how many fractions there are.
    """
    found = affine_of(x.chain)
    if found is None or not isinstance(x.edge, str):
        return x
    m, a = found
    if m.ndim or m <= 0 or not a.ndim:
        return x
    whole = np.floor(a / m)
    values, rank = np.unique(a / m - whole, return_inverse=True)
    offset = len(values) * whole.astype(np.int64) + rank
    edge = lifter.emit(Add((len(values),), offset - offset.min()), x.edge, origin=x.origin)
    return replace(x, edge=edge, chain=Chain())


def _unbiased(lifter: Lifter, x: Lifted) -> Lifted:
    """``x`` without the offset that comes from coding -1 and 1, say, as 0 and 1.

    Such an offset is the sum of an output's weights times a fraction ``plus / times``. The layer
    then reads ``times * code + plus`` instead, which has no offset.
    """
    producer = lifter.builder.node_of(x.edge) if isinstance(x.edge, str) else None
    if producer is None or not isinstance(producer.op, MatMul) or not x.chain.steps:
        return x
    first, *others = x.chain.steps
    if first.kind != "affine":
        return x
    mul, add = (np.asarray(first.args[name], np.float64) for name in ("mul", "add"))
    sums = producer.op.weight.sum(axis=0)
    if mul.ndim or not add.ndim or not sums.any():
        return x
    fraction = (add / mul)[sums != 0][0] / sums[sums != 0][0]
    for times in RECODINGS:
        plus = fraction * times
        if plus == np.rint(plus) and np.array_equal(add / mul * times, plus * sums):
            source = producer.inputs[0]
            codes = Lifted(source, np.arange(lifter.builder.type(source).size))
            edge = lifter.recode(codes, times, int(plus)).edge
            assert isinstance(edge, str)
            edge = lifter.builder.add(producer.op, (edge,), name=producer.name,
                                      origin=producer.origin)  # fmt: skip
            chain = Chain().then("affine", mul=mul / times, add=0.0)
            return replace(x, edge=edge, chain=Chain((*chain.steps, *others)))
    return x


@handles("Softmax")
def softmax(lifter: Lifter, call: Call) -> Tensor:
    """Left to the host; before an ArgMax it is dropped."""
    x = call.lifted()
    axis = call.attrs.get("axis", -1 if call.opset >= 13 else 1)
    axis += len(x.shape) if axis < 0 else 0
    shape = x.shape
    if call.opset < 13:  # older opsets flatten everything from the axis on
        x, axis = x.layout(lambda i: i.reshape(math.prod(shape[:axis]), -1)), 1
    lifter.integers(x)
    x, _ = lifter.pixels(x, axis)
    return x.layout(lambda i: i.reshape(shape)).then(call.name, "softmax")
