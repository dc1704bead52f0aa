"""Layers of random networks: each takes a tensor on a grid and gives tensors on grids."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import helper

from tests.frontends.functions import function, sigmoid
from tests.frontends.networks import pool
from tests.frontends.products import conv, conv_transpose, dense, windows
from tests.frontends.writer import MICROSOFT, Act, Writer

Layer = Callable[[Writer, Act, list[Act], set[int]], "list[Act]"]


def layer(w: Writer, a: Act, acts: list[Act], read: set[int]) -> list[Act]:
    if len(a.shape) == 2:
        options = [
            dense_layer,
            dense_layer,
            dense_layer,
            _function,
            _sum,
            _product,
            _concat,
            _split,
            _slice,
        ]
    else:
        options = [conv_layer] * 4 + [_sum] * 3 + [_concat] * 2 + [
            _conv_transpose, _function, _product, _split, _slice, _average, _average, _global,
            _reduce, _max, _pad, _resize, _blocks, _gate, _shuffle, _flat, _tokens,
        ]  # fmt: skip
        if len(a.shape) == 3:
            options = [f for f in options if f not in (_blocks, _resize)]
    return w.pick(*options)(w, a, acts, read)


def conv_layer(w: Writer, a: Act, *_: Any) -> list[Act]:
    return [_finished(w, conv(w, a))]


def _conv_transpose(w: Writer, a: Act, *_: Any) -> list[Act]:
    return [_finished(w, conv_transpose(w, a))]


def dense_layer(w: Writer, a: Act, *_: Any) -> list[Act]:
    return [_finished(w, dense(w, a))]


def _finished(w: Writer, a: Act) -> Act:
    """Perhaps a function, and a quantizer."""
    if w.maybe() and not a.codes:
        a = function(w, a)
    return w.settled(a)


def _function(w: Writer, a: Act, *_: Any) -> list[Act]:
    return [w.settled(function(w, a))]


def _other(w: Writer, a: Act, acts: list[Act], read: set[int]) -> Act:
    """A tensor of the same shape; where there is none, one is made."""
    same = [b for b in acts if b.shape == a.shape and b is not a]
    if same and w.maybe(0.8):
        read.add(id(b := w.pick(*same)))
        return b
    if len(a.shape) == 2:
        return w.settled(dense(w, a, a.shape[1]))
    return w.settled(conv(w, a, a.shape[1], pointwise=True))


def _sum(w: Writer, a: Act, acts: list[Act], read: set[int]) -> list[Act]:
    b = _other(w, a, acts, read)
    if w.dialect == "qoperator" and a.kind == b.kind and w.maybe(0.7):
        return [_two_on_codes(w, "QLinearAdd", a, b)]
    op = w.pick("Add", "Add", "Add", "Sub", "Sum")
    y = Act(a.shape, math.hypot(a.spread, b.spread), w.node(op, w.real(a), w.real(b)))
    return [_finished(w, y)]


def _product(w: Writer, a: Act, acts: list[Act], read: set[int]) -> list[Act]:
    b = _other(w, a, acts, read)
    return [_multiplied(w, a, b)]


def _multiplied(w: Writer, a: Act, b: Act) -> Act:
    if w.dialect == "qoperator" and a.kind == b.kind and w.maybe(0.7):
        return _two_on_codes(w, "QLinearMul", a, b)
    y = w.node("Mul", *w.rng.permutation([w.real(a), w.real(b)]))
    return w.settled(Act(a.shape, a.spread * b.spread, y))


def _two_on_codes(w: Writer, op: str, a: Act, b: Act) -> Act:
    spread = math.hypot(a.spread, b.spread) if op == "QLinearAdd" else a.spread * b.spread
    scale, zero, kind = w.grid(spread, a.kind)
    given = [name for x in (a, b) for name in (x.codes, w.const(x.scale), w.const(x.zero, kind))]
    y = w.node(op, *given, w.const(scale), w.const(zero, kind), domain=MICROSOFT)
    return Act(a.shape, spread, "", y, scale, zero, kind)


def _gate(w: Writer, a: Act, *_: Any) -> list[Act]:
    """Squeeze and excite: a factor for every channel from the means of all."""
    (mean,) = _global(w, a)
    hidden = w.settled(replace(h := conv(w, mean, 2, pointwise=True),
                               real=w.node("Relu", w.real(h)), codes=""))  # fmt: skip
    gate = conv(w, hidden, a.shape[1], pointwise=True)
    return [_multiplied(w, a, w.settled(sigmoid(w, gate)))]


def _concat(w: Writer, a: Act, acts: list[Act], read: set[int]) -> list[Act]:
    axis = w.pick(1, 1, *range(1, len(a.shape)))
    fit = [b for b in acts if len(b.shape) == len(a.shape) and b is not a
           and all(m == n for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True))
                   if i != axis)]  # fmt: skip
    parts = [a, w.pick(*fit) if fit and w.maybe(0.7) else _other(w, a, acts, read)]
    if len(fit) > 1 and w.maybe(0.3):
        parts.append(w.pick(*fit))
    read.update(map(id, parts))
    shape = list(a.shape)
    shape[axis] = sum(b.shape[axis] for b in parts)
    spread = max(b.spread for b in parts)
    if w.dialect == "qoperator" and len({b.kind for b in parts}) == 1 and w.maybe(0.7):
        scale, zero, kind = w.grid(spread, a.kind)
        given = [n for b in parts for n in (b.codes, w.const(b.scale), w.const(b.zero, kind))]
        y = w.node("QLinearConcat", w.const(scale), w.const(zero, kind), *given, axis=axis,
                   domain=MICROSOFT)  # fmt: skip
        return [Act(tuple(shape), spread, "", y, scale, zero, kind)]
    y = w.node("Concat", *(w.real(b) for b in parts), axis=w.pick(axis, axis - len(shape)))
    return [w.settled(Act(tuple(shape), spread, y), 0.6)]


def _split(w: Writer, a: Act, *_: Any) -> list[Act]:
    axis = w.pick(1, 1, *range(1, len(a.shape)))
    size = a.shape[axis]
    if size < 2:
        return []
    first = int(w.rng.integers(1, size)) if w.maybe() else size // 2
    sizes = [first, size - first]
    x = w.real(a)
    w.node("Split", x, w.const(sizes, np.int64), outputs=2, axis=axis)
    names = list(w.nodes[-1].output)
    shapes = [(*a.shape[:axis], n, *a.shape[axis + 1 :]) for n in sizes]
    return [w.settled(Act(s, a.spread, n, scale=a.scale), 0.2)
            for s, n in zip(shapes, names, strict=True)]  # fmt: skip


def _slice(w: Writer, a: Act, *_: Any) -> list[Act]:
    axis = int(w.rng.integers(1, len(a.shape)))
    size, step = a.shape[axis], int(w.pick(1, 1, 2))
    start = int(w.rng.integers(0, size))
    end = int(w.rng.integers(start, size)) + 1
    count = len(range(start, end, step))
    given = (
        [start - size if w.maybe() else start],
        [end if w.maybe() or end == size else end - size],
    )
    more = [w.const([v], np.int64) for v in (*given[0], *given[1], axis, step)]
    return [moved(w, a, "Slice", (*a.shape[:axis], count, *a.shape[axis + 1 :]), *more)]


def moved(w: Writer, a: Act, op: str, shape: tuple[int, ...], *more: str, **attrs: Any) -> Act:
    """An operator that makes no new numbers, on codes or on real numbers."""
    eight = a.kind in ("int8", "uint8")
    if a.codes and eight and (w.dialect == "qoperator" or w.maybe(0.3)):
        y = w.node(op, a.codes, *more, **attrs)
        b = replace(a, shape=shape, codes=y, real="")
        return b if w.dialect == "qoperator" else replace(b, real=w.real(b))
    b = replace(a, shape=shape, codes="", real=w.node(op, w.real(a), *more, **attrs))
    if w.dialect == "qoperator" or (a.codes and w.maybe()):
        return w.quantized(b, a)
    return b


def _average(w: Writer, a: Act, *_: Any) -> list[Act]:
    attrs, sizes = windows(w, a.shape[2:], dilate=w.opset >= 19 and w.maybe(0.3))
    attrs["count_include_pad"] = int(w.maybe())
    if w.maybe(0.3) and "pads" in attrs:
        attrs["ceil_mode"] = 1
        sizes = _ceil_sizes(a.shape[2:], attrs)
    count = math.prod(attrs["kernel_shape"])
    whole = not any(attrs.get("pads", [1])) or attrs["count_include_pad"]
    exact = count & (count - 1) == 0 and whole and not attrs.get("ceil_mode")
    shape = (*a.shape[:2], *sizes)
    if (
        w.dialect == "qoperator"
        and exact
        and a.kind in ("int8", "uint8")
        and "dilations" not in attrs
    ):
        return [_averaged_on_codes(w, "QLinearAveragePool", a, shape, attrs)]
    y = w.node("AveragePool", w.real(a), **attrs)
    return [w.settled(Act(shape, a.spread, y, soft="" if exact else "average"))]


def _ceil_sizes(sizes: tuple[int, ...], attrs: dict[str, Any], *, drop: bool = True) -> list[int]:
    rank, found = len(sizes), []
    for i, n in enumerate(sizes):
        k, s, before, after = (attrs["kernel_shape"][i], attrs["strides"][i], attrs["pads"][i],
                               attrs["pads"][i + rank])  # fmt: skip
        extent = (k - 1) * attrs.get("dilations", [1] * rank)[i] + 1
        count = -(-(n + before + after - extent) // s) + 1
        found.append(count - (drop and (count - 1) * s >= n + before))
    return found


def _averaged_on_codes(w: Writer, op: str, a: Act, shape: Any, attrs: dict[str, Any]) -> Act:
    scale, zero, kind = w.grid(a.spread, a.kind)
    given = [w.const(a.scale), w.const(a.zero, kind), w.const(scale), w.const(zero, kind)]
    y = w.node(op, a.codes, *given, domain=MICROSOFT, **attrs)
    return Act(shape, a.spread, "", y, scale, zero, kind)


def _global(w: Writer, a: Act, *_: Any) -> list[Act]:
    count = math.prod(a.shape[2:])
    exact, shape = count & (count - 1) == 0, (*a.shape[:2], *[1] * len(a.shape[2:]))
    if w.dialect == "qoperator" and exact and a.kind in ("int8", "uint8") and len(shape) == 4:
        return [_averaged_on_codes(w, "QLinearGlobalAveragePool", a, shape, {})]
    y = w.node("GlobalAveragePool", w.real(a))
    return [w.settled(Act(shape, a.spread / 2, y, soft="" if exact else "average"))]


def _reduce(w: Writer, a: Act, *_: Any) -> list[Act]:
    axes = w.pick([*range(2, len(a.shape))], [1], [-1])
    keep, op = w.maybe() or axes != [*range(2, len(a.shape))], w.pick("ReduceMean", "ReduceSum")
    shape = [1 if i in axes or i - len(a.shape) in axes else n for i, n in enumerate(a.shape)]
    count = math.prod(a.shape) // math.prod(shape)
    shape = tuple(shape) if keep else a.shape[:2]
    if op == "ReduceSum" or w.opset >= 18:
        y = w.node(op, w.real(a), w.const(axes, np.int64), keepdims=int(keep))
    else:
        y = w.node(op, w.real(a), axes=axes, keepdims=int(keep))
    soft = "average" if op == "ReduceMean" and count & (count - 1) else ""
    return [
        w.settled(Act(shape, a.spread * (count**0.5 if op == "ReduceSum" else 1), y, soft=soft))
    ]


def _max(w: Writer, a: Act, *_: Any) -> list[Act]:
    if min(a.shape[2:]) < 2:
        return []
    at = len(w.nodes)
    y, shape = pool(w, w.real(a), a.shape)
    attrs = {x.name: helper.get_attribute_value(x) for x in w.nodes[-1].attribute}
    if attrs.get("ceil_mode") and [*shape[2:]] != _ceil_sizes(a.shape[2:], attrs, drop=False):
        return []  # onnxruntime infers another shape than it computes
    if a.codes and a.kind in ("int8", "uint8") and w.nodes[-1].op_type == "MaxPool" and w.maybe():
        del w.nodes[at:-1]  # the DequantizeLinear that it does not need
        w.nodes[-1].input[0] = a.codes
        b = replace(a, shape=shape, codes=y, real="")
        return [b if w.dialect == "qoperator" else replace(b, real=w.real(b))]
    b = replace(a, shape=shape, codes="", real=y)
    return [w.quantized(b, a) if w.dialect == "qoperator" else w.settled(b, 0.3)]


def _pad(w: Writer, a: Act, *_: Any) -> list[Act]:
    rank = len(a.shape)
    pads = [0, 0, *w.rng.integers(0, 2, rank - 2).tolist()] * 2
    pads[1] = pads[1 + rank] = int(w.maybe(0.1))
    shape = tuple(n + pads[i] + pads[i + rank] for i, n in enumerate(a.shape))
    return [moved(w, replace(a, codes=""), "Pad", shape, w.const(pads, np.int64))
            if not a.codes or a.real else
            w.quantized(Act(shape, a.spread, w.node("Pad", w.real(a), w.const(pads, np.int64))), a)]  # fmt: skip


def _resize(w: Writer, a: Act, *_: Any) -> list[Act]:
    factors = [int(w.pick(1, 2, 2, 3)) for _ in a.shape[2:]]
    shape = (*a.shape[:2], *(n * f for n, f in zip(a.shape[2:], factors, strict=True)))
    how = w.pick(("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"),
                 ("half_pixel", "round_prefer_ceil"))  # fmt: skip
    attrs = {"mode": "nearest", "coordinate_transformation_mode": how[0], "nearest_mode": how[1]}
    if w.maybe():
        return [moved(w, a, "Resize", shape, "", w.const([1, 1, *factors]), **attrs)]
    return [moved(w, a, "Resize", shape, "", "", w.const(shape, np.int64), **attrs)]


def _blocks(w: Writer, a: Act, *_: Any) -> list[Act]:
    _, c, h, width = a.shape
    if c % 4 == 0:
        return [_realmoved(w, a, "DepthToSpace", (1, c // 4, 2 * h, 2 * width), blocksize=2,
                            mode=w.pick("DCR", "CRD"))]  # fmt: skip
    if h % 2 == 0 and width % 2 == 0:
        return [_realmoved(w, a, "SpaceToDepth", (1, c * 4, h // 2, width // 2), blocksize=2)]
    return []


def _realmoved(w: Writer, a: Act, op: str, shape: tuple[int, ...], **attrs: Any) -> Act:
    b = Act(shape, a.spread, w.node(op, w.real(a), **attrs), "", a.scale, a.zero, a.kind)
    return w.quantized(b, a) if w.dialect == "qoperator" else b


def _shuffle(w: Writer, a: Act, *_: Any) -> list[Act]:
    """Channels of two groups taken in turn."""
    _, c, *sizes = a.shape
    if c % 2:
        return []
    b = moved(w, a, "Reshape", (), w.const([1, 2, c // 2, *sizes], np.int64))
    perm = [0, 2, 1, *range(3, 3 + len(sizes))]
    b = moved(w, b, "Transpose", (), perm=perm)
    return [moved(w, b, "Reshape", a.shape, w.const([0, c, *sizes], np.int64))]


def _flat(w: Writer, a: Act, *_: Any) -> list[Act]:
    """A vector, channels first or last, through one matrix product."""
    size = math.prod(a.shape)
    if len(a.shape) == 4 and w.maybe(0.3):
        a = moved(w, a, "Transpose", (1, *a.shape[2:], a.shape[1]), perm=[0, 2, 3, 1])
    if w.maybe():
        b = moved(w, a, "Flatten", (1, size))
    else:
        b = moved(w, a, "Reshape", (1, size), w.const(w.pick([1, -1], [-1, size]), np.int64))
    return [_finished(w, dense(w, b))]


def _tokens(w: Writer, a: Act, *_: Any) -> list[Act]:
    """A matrix product over the channels of each pixel, as transformers write it."""
    _, c, *sizes = a.shape
    b = moved(w, a, "Reshape", (1, c, math.prod(sizes)), w.const([1, c, -1], np.int64))
    b = moved(w, b, "Transpose", (1, math.prod(sizes), c), perm=[0, 2, 1])
    b = w.settled(dense(w, b))
    c = b.shape[-1]
    b = moved(w, b, "Transpose", (1, c, math.prod(sizes)), perm=[0, 2, 1])
    return [moved(w, b, "Reshape", (1, c, *sizes), w.const([1, c, *sizes], np.int64))]
