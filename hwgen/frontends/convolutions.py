"""ONNX operators that become convolutions: plain, grouped, depthwise and transposed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.core.window import Window
from hwgen.frontends.call import Call, handles
from hwgen.frontends.geometry import image, pads_of, tensor_of_image, window_of
from hwgen.frontends.layers import accumulated, along, integers, rows
from hwgen.frontends.lifted import Constant, Lifted, Tensor
from hwgen.frontends.lifter import Lifter
from hwgen.ops import Conv, DepthwiseConv, Interleave, Pad

ZERO = "it pads with"


@handles("Conv")
def conv(lifter: Lifter, call: Call) -> Tensor:
    return biased(lifter, call, convolution(lifter, call, call.lifted(), call.weight(1)))


def biased(lifter: Lifter, call: Call, y: Lifted) -> Lifted:
    """``y`` plus input 2 of a Conv, one number per channel."""
    if call.get(2) is None:
        return y
    bias = call.constant(2, "bias").astype(np.float32)
    y, (c,) = lifter.constants(y, bias.reshape(1, -1, *[1] * (len(y.shape) - 2)))
    return replace(y.then(call.name, "add", c=c), origin=())


def convolution(lifter: Lifter, call: Call, x: Lifted, weight: Constant) -> Lifted:
    """``x`` convolved with ``weight`` (CO, CI / groups, ...), with the attributes of ``call``."""
    groups, want = call.attrs.get("group", 1), image(call, x)
    outputs = weight.shape[0]
    fits = len(weight.shape) == len(x.shape) and weight.shape[1] * groups == want.shape[2]
    if not fits or groups < 1 or outputs % groups:
        raise call.error(f"shapes {x.shape} and {weight.shape} make no convolution of {groups} "
                         "groups", code="HW103")  # fmt: skip
    if len(weight.shape) == 3:
        weight = weight.layout(lambda a: a[:, :, None])
    weight = weight.layout(lambda a: a.transpose(2, 3, 1, 0))  # (KH, KW, CI / groups, CO)
    window = window_of(call, weight.shape[:2], want.shape)
    x, code = lifter.grid(x), 0
    if any(window.padding):
        x, code = lifter.coded(x, 0.0, ZERO)
    return _emitted(lifter, call, x, weight, window, code, groups)


def _emitted(
    lifter: Lifter, call: Call, x: Lifted, weight: Constant, window: Window, code: int, groups: int
) -> Lifted:
    """The convolution of an affine ``x``, padded with ``code``, by ``weight`` as an operator has it."""
    rank, want = len(x.shape), image(call, x)
    x, permutation = lifter.fit(x, want)
    x, window, code = _with_border(lifter, x, window, code)
    kh, kw, inputs, outputs = weight.shape
    m, a = along(x, permutation)
    m, a = (_by_group(v, groups, inputs, outputs) for v in (m, a))
    codes, scale, real = integers(call, weight, m)
    add = (real * a).sum(axis=(0, 1, 2))
    geometry = (window.stride, window.padding, window.dilation, code)
    assert isinstance(x.edge, str)
    if groups > 1 and inputs == 1:
        kernels = codes.reshape(kh, kw, groups, -1)
        moved = np.empty_like(kernels)
        moved[:, :, permutation] = kernels
        edge = lifter.emit(DepthwiseConv(moved, *geometry), x.edge, origin=x.origin)
        many = outputs // groups
        place = (permutation[:, None] * many + np.arange(many)).ravel()
    else:
        if groups > 1 and not np.array_equal(permutation, np.arange(len(permutation))):
            codes, groups = _dense(codes, groups), 1
        if groups == 1:
            codes = rows(codes, permutation)
        edge = lifter.emit(Conv(codes, *geometry, groups), x.edge, origin=x.origin)
        place = np.arange(outputs)
    index = tensor_of_image(lifter.builder.type(edge).shape, rank)
    index = index[:, :1] + place.reshape(1, -1, *[1] * (rank - 2))
    here = np.argsort(place)  # channel of the tensor at each channel of the edge
    return accumulated(edge, index, scale[here], add[here])


def _by_group(value: np.ndarray, groups: int, inputs: int, outputs: int) -> np.ndarray:
    """A number per input channel as one per input and output of a grouped kernel ``(K, N)``."""
    if not value.ndim:
        return value
    return value.reshape(groups, inputs).repeat(outputs // groups, axis=0).T


def _dense(codes: np.ndarray, groups: int) -> np.ndarray:
    """A grouped kernel with zeros in place of what a group does not see."""
    kh, kw, inputs, outputs = codes.shape
    whole = np.zeros((kh, kw, groups, inputs, groups, outputs // groups), np.int64)
    for g, part in enumerate(np.split(codes, groups, axis=3)):
        whole[:, :, g, :, g] = part
    return whole.reshape(kh, kw, groups * inputs, outputs)


def _with_border(
    lifter: Lifter, x: Lifted, window: Window, code: int
) -> tuple[Lifted, Window, int]:
    """A Pad right before the window becomes padding of the window, where both fill alike."""
    assert isinstance(x.edge, str)
    node = lifter.builder.node_of(x.edge)
    if node is None or not isinstance(node.op, Pad) or any(node.op.channels):
        return x, window, code
    if any(window.padding) and node.op.value != code:
        return x, window, code
    padding = tuple(p + q for p, q in zip(window.padding, node.op.padding, strict=True))
    x = replace(x, edge=node.inputs[0], origin=(*node.origin, *x.origin))
    return x, replace(window, padding=padding), node.op.value


@handles("ConvTranspose")
def conv_transpose(lifter: Lifter, call: Call) -> Tensor:
    """Zeros between the pixels, then a convolution with the kernel turned by 180 degrees."""
    x, weight, groups = call.lifted(), call.weight(1), call.attrs.get("group", 1)
    want = image(call, x)
    if len(weight.shape) != len(x.shape) or weight.shape[0] != want.shape[2] or (
        groups < 1 or want.shape[2] % groups
    ):  # fmt: skip
        raise call.error(f"shapes {x.shape} and {weight.shape} make no transposed convolution",
                         code="HW103")  # fmt: skip
    if len(weight.shape) == 3:
        weight = weight.layout(lambda a: a[:, :, None])
    kh, kw = weight.shape[2:]

    def turned(a: np.ndarray) -> np.ndarray:
        parts = a.reshape(groups, -1, *a.shape[1:])[..., ::-1, ::-1]  # (G, CI/G, CO/G, KH, KW)
        return parts.transpose(3, 4, 1, 0, 2).reshape(kh, kw, parts.shape[1], -1)

    stride, dilation, border = _transposed_geometry(call, want.shape, (kh, kw))
    x, code = lifter.coded(lifter.grid(x), 0.0, ZERO)
    x, permutation = lifter.fit(x, want)
    assert isinstance(x.edge, str)
    if stride != (1, 1):
        edge = lifter.emit(Interleave(stride, code), x.edge, origin=x.origin)
        index = tensor_of_image(lifter.builder.type(edge).shape, len(x.shape))
        place = permutation.reshape(1, -1, *[1] * (len(x.shape) - 2))
        x = replace(x, edge=edge, index=index[:, :1] + place)
    window = Window((kh, kw), (1, 1), border, dilation)
    y = _emitted(lifter, call, x, weight.layout(turned), window, code, groups)
    return biased(lifter, call, y)


def _transposed_geometry(
    call: Call, shape: tuple[int, ...], kernel: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Stride, dilation, and the padding (top, left, bottom, right) of the convolution within."""
    x = call.get(0)
    assert x is not None
    rank = len(x.shape) - 2

    def pair(name: str, default: int) -> tuple[int, int]:
        values = tuple(call.attrs.get(name) or (default,) * rank)
        if len(values) != rank or min(values) < default:
            raise call.error(f"{name} {values} for {rank} dimensions", code="HW103")
        return (default, values[0]) if rank == 1 else (values[0], values[1])

    stride, dilation, extra = pair("strides", 1), pair("dilations", 1), pair("output_padding", 0)
    extent = Window(kernel, dilation=dilation).extent
    begin, end = pads_of(call)
    wanted, mode = call.attrs.get("output_shape"), call.attrs.get("auto_pad", "NOTSET")
    if wanted is None and mode.startswith("SAME"):
        wanted = [n * s for n, s in zip(shape[2 - rank :], stride[2 - rank :], strict=False)]
    if wanted:
        size = (1, wanted[-1]) if rank == 1 else (wanted[-2], wanted[-1])
        total = [s * (n - 1) + o + e - w for s, n, o, e, w
                 in zip(stride, shape, extra, extent, size, strict=False)]  # fmt: skip
        if min(total) < 0 or min(size) < 1:
            raise call.error(f"its output_shape {tuple(wanted)} is not within what it makes")
        halves = [n // 2 for n in total]
        begin = tuple(n - h if mode != "SAME_UPPER" else h
                      for n, h in zip(total, halves, strict=True))  # fmt: skip
        end = tuple(n - b for n, b in zip(total, begin, strict=True))
    before = [e - 1 - p for e, p in zip(extent, begin, strict=True)]
    after = [e - 1 - p + o for e, p, o in zip(extent, end, extra, strict=True)]
    if min(*before, *after) < 0:
        raise call.error("its padding cuts away more than its kernel adds",
                         "take a part of its output with Slice instead")  # fmt: skip
    return stride, dilation, (before[0], before[1], after[0], after[1])
