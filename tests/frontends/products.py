"""Layers with weights in any dialect: convolutions of all kinds and matrix products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.frontends.writer import MICROSOFT, Act, Weight, Writer


def windows(
    w: Writer, sizes: tuple[int, ...], *, largest: int = 3, dilate: bool = True
) -> tuple[dict[str, Any], list[int]]:
    """Attributes of a window over an image of ``sizes``, and the sizes of what comes out."""
    rank = len(sizes)
    kernel = [int(min(w.rng.integers(1, largest + 1), n)) for n in sizes]
    strides = [int(w.pick(1, 1, 2)) for _ in sizes]
    dilations = [int(w.pick(1, 1, 2)) if dilate and (k - 1) * 2 < n else 1
                 for k, n in zip(kernel, sizes, strict=True)]  # fmt: skip
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if dilate:
        attrs["dilations"] = dilations
    same = all(k >= s for k, s in zip(kernel, strides, strict=True))  # or onnxruntime may refuse
    if w.maybe(0.2) and max(dilations) == 1 and same:
        attrs["auto_pad"] = w.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        if attrs["auto_pad"] == "VALID":
            return attrs, [(n - k) // s + 1 for n, k, s in zip(sizes, kernel, strides, strict=True)]
        return attrs, [-(-n // s) for n, s in zip(sizes, strides, strict=True)]
    attrs["pads"] = pads = [int(w.rng.integers(0, k)) if w.maybe() else 0 for k in kernel * 2]
    return attrs, [
        (n + pads[i] + pads[i + rank] - (k - 1) * d - 1) // s + 1
        for i, (n, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True))
    ]


def conv(w: Writer, a: Act, outputs: int = 0, *, pointwise: bool = False) -> Act:
    """Plain, grouped or depthwise; not quantized yet where the dialect need not."""
    inputs, kind = a.shape[1], w.pick("plain", "plain", "grouped", "depthwise")
    groups = 1
    if kind == "depthwise" and not outputs:
        groups, outputs = inputs, inputs * w.pick(1, 1, 2)
    elif kind == "grouped" and not outputs and inputs % 2 == 0:
        groups, outputs = 2, 2 * int(w.rng.integers(1, 4))
    outputs = outputs or int(w.rng.integers(2, 7))
    attrs, sizes = windows(w, a.shape[2:])
    if pointwise:
        attrs, sizes = {"kernel_shape": [1] * len(a.shape[2:])}, list(a.shape[2:])
    attrs["group"] = groups
    shape = (outputs, inputs // groups, *attrs["kernel_shape"])
    return _linear(w, "Conv", a, w.weight(shape, 0), (1, outputs, *sizes), attrs)


def conv_transpose(w: Writer, a: Act) -> Act:
    sizes, rank = a.shape[2:], len(a.shape) - 2
    kernel = [int(w.rng.integers(1, 4)) for _ in sizes]
    strides = [int(w.pick(1, 2)) for _ in sizes]
    dilations = [int(w.pick(1, 1, 2)) for _ in sizes]
    extra = [int(w.rng.integers(0, s)) if w.maybe(0.3) else 0 for s in strides]
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = [int(w.rng.integers(0, e)) for e in extent * 2]
    out = [s * (n - 1) + o + e - pads[i] - pads[i + rank]
           for i, (n, s, o, e) in enumerate(zip(sizes, strides, extra, extent, strict=True))]  # fmt: skip
    if min(out) < 1:
        pads, out = [0] * 2 * rank, [n + pads[i] + pads[i + rank] for i, n in enumerate(out)]
    groups = 2 if a.shape[1] % 2 == 0 and w.maybe(0.3) else 1
    each = int(w.rng.integers(1, 4))
    attrs = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads,
             "output_padding": extra, "group": groups}  # fmt: skip
    weight = w.weight((a.shape[1], each, *kernel), 1)
    if groups > 1:
        weight = replace(weight, scale=weight.scale[:1])
    return _linear(w, "ConvTranspose", a, weight, (1, each * groups, *out), attrs)


def dense(w: Writer, a: Act, outputs: int = 0) -> Act:
    """A matrix product over the last axis: MatMul or Gemm."""
    outputs = outputs or int(w.rng.integers(2, 9))
    flipped = len(a.shape) == 2 and w.maybe()
    shape = (outputs, a.shape[-1]) if flipped else (a.shape[-1], outputs)
    weight = w.weight(shape, 0 if flipped else 1)
    op = "Gemm" if flipped or (len(a.shape) == 2 and w.maybe()) else "MatMul"
    return _linear(w, op, a, weight, (*a.shape[:-1], outputs), {"transB": int(flipped)})


def _linear(
    w: Writer, op: str, a: Act, weight: Weight, shape: tuple[int, ...], attrs: dict[str, Any]
) -> Act:
    fan_in = weight.codes.size / weight.codes.shape[weight.axis]
    spread = float(a.spread * weight.spread * fan_in**0.5)
    if w.dialect == "qoperator":
        a = w.settled(a, 0)
        small = weight.kind in ("int8", "uint8") and a.kind in ("int8", "uint8")
        if small and op != "ConvTranspose" and not (a.kind == "int8" and weight.kind == "uint8"):
            return _on_codes(w, op, a, weight, shape, attrs, spread)
    a = w.settled(a, 0)
    if op == "MatMul":
        return Act(shape, spread, w.node(op, w.real(a), w.real_weight(weight)))
    biased = w.maybe()
    outputs = shape[-1] if op == "Gemm" else shape[1]
    scale = a.scale * (weight.scale if len(weight.scale) == outputs else weight.scale[:1])
    bias = [w.bias(outputs, scale, spread / 4)] if biased else []
    if op == "Gemm" and w.maybe(0.3):
        attrs = {**attrs, "alpha": 0.5, "beta": 2.0}
    return Act(shape, spread, w.node(op, w.real(a), w.real_weight(weight), *bias, **attrs))


def _on_codes(
    w: Writer, op: str, a: Act, weight: Weight, shape: tuple[int, ...], attrs: dict[str, Any],
    spread: float,
) -> Act:  # fmt: skip
    """QLinearConv, QLinearMatMul, QGemm; or ConvInteger, MatMulInteger, and a scale behind it."""
    conv = op == "Conv"
    integer = op != "Gemm" and w.maybe(0.3) and (a.kind == "uint8" or not conv)
    if integer:
        weight = replace(weight, scale=weight.scale[:1])
    zeros = np.full(len(weight.scale), weight.zero)
    scales = w.const(weight.scale if len(zeros) > 1 else weight.scale[0])
    zero = w.const(zeros if len(zeros) > 1 else weight.zero, weight.kind)
    data, x_zero = w.const(weight.codes, weight.kind), w.const(a.zero, a.kind)
    unit = a.scale * weight.scale
    if integer:
        y = w.node(f"{op}Integer", a.codes, data, x_zero, zero, **(attrs if conv else {}))
        y = w.node("Cast", y, to=1)
        return Act(shape, spread, w.node("Mul", y, w.const(unit[0])))
    outputs = shape[1] if conv else shape[-1]
    codes = np.rint(w.rng.normal(0, spread / 4, outputs) / unit).astype(np.int64)
    bias = [w.const(codes.clip(-(2**20), 2**20), np.int32)] if w.maybe() else []
    y_scale, y_zero, _ = w.grid(spread, a.kind)
    head = [a.codes, w.const(a.scale), x_zero, data, scales, zero]
    tail = [w.const(y_scale), w.const(y_zero, a.kind)]
    if op == "Gemm":
        whole = w.maybe(0.7)
        y = w.node("QGemm", *head, *(bias or [""]), *(tail if whole else []), domain=MICROSOFT,
                   transB=attrs["transB"])  # fmt: skip
        if not whole:
            return Act(shape, spread, y)
    elif conv:
        y = w.node("QLinearConv", *head, *tail, *bias, **attrs)
    else:
        y = w.node("QLinearMatMul", *head, *tail)
    return Act(shape, spread, "", y, y_scale, y_zero, a.kind)
