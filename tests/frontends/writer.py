"""Writes quantized ONNX in any dialect: one call per tensor, and the dialect decides on the nodes.

All scales are powers of two and all parameters dyadic, so that float32 computes without rounding.
Where a function is transcendental or divides by an odd number, what its quantizer rounds is noted in
``soft``: there, and only there, a runtime may round another way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from hwgen.frontends.qdq import codes_of_type
from tests.frontends.networks import DOMAIN, ROUNDINGS, Net

MICROSOFT = "com.microsoft"
DIALECTS = ("qonnx", "qdq", "qcdq", "qoperator")
KINDS = {
    "int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4, "int16": TensorProto.INT16, "uint16": TensorProto.UINT16,
    "float32": TensorProto.FLOAT,
}  # fmt: skip


@dataclass(frozen=True)
class Act:
    """A tensor on a grid: as real numbers, as ``codes`` of ``kind``, or both.

    ``shape`` is (1, C, H, W), (1, C, W) or (1, C). ``soft``: not quantized yet, and rounded before:
    an "average" or a "function".
    """

    shape: tuple[int, ...]
    spread: float
    real: str = ""
    codes: str = ""
    scale: float = 1.0
    zero: int = 0
    kind: str = "float32"
    soft: str = ""


@dataclass(frozen=True)
class Soft:
    """What a quantizer rounds: ``scaled(tensor)``, computed anew in float64, steps at halves.

    ``average``: a quotient of integers, which is at a tie exactly or not at all near one.
    """

    tensor: str
    scaled: Callable[[np.ndarray], np.ndarray]
    average: bool = False

    def ties(self, values: np.ndarray) -> np.ndarray:
        """Which frames of ``values`` ``(N, ...)`` have an element too near to a step."""
        y = self.scaled(values.astype(np.float64))
        distance = np.abs(y - np.floor(y) - 0.5)
        near = distance < 1e-5 * np.maximum(1, np.abs(y))
        if self.average:
            near &= distance > 0
        return near.reshape(len(near), -1).any(axis=1)


@dataclass(frozen=True)
class Weight:
    """A constant weight: real numbers for float operators; codes, scale, zero for the others."""

    codes: np.ndarray
    scale: np.ndarray
    zero: int
    kind: str
    axis: int

    @property
    def spread(self) -> float:
        return float(np.mean((self.codes - self.zero) ** 2.0) ** 0.5 * np.max(self.scale)) + 1e-2


class Writer(Net):
    """One model. ``kinds`` are the integer types of its activations."""

    def __init__(self, rng: np.random.Generator, dialect: str) -> None:
        narrow = dialect in ("qdq", "qcdq") and rng.random() < 0.3
        super().__init__(rng, opset=int(rng.choice([21, 22] if narrow else [13, 17, 19, 21])))
        self.dialect = dialect
        self.kinds = ("int8", "uint8")
        if narrow:
            self.kinds = self.pick(("int4", "uint4"), ("uint4", "int8"), ("int8", "int16"))
        elif self.maybe(0.4):
            self.kinds = (self.pick("int8", "uint8"),)
        self.soft: list[Soft] = []

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        if dtype not in KINDS:
            return super().const(value, dtype)
        name, array = self.fresh("c"), np.asarray(value)
        self.weights.append(
            helper.make_tensor(name, KINDS[dtype], array.shape, array.ravel().tolist())
        )
        return name

    def model(self, inputs: Any, outputs: list[str], **_: Any) -> ModelProto:  # type: ignore[override]
        """``inputs``: name to kind and shape. Types of outputs are left to inference."""
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info(n, KINDS[k], s) for n, (k, s) in inputs.items()],
            [helper.make_empty_tensor_value_info(n) for n in outputs],
            self.weights,
        )  # fmt: skip
        domains = {"": self.opset, DOMAIN: 1, MICROSOFT: 1}
        opsets = [helper.make_opsetid(*item) for item in domains.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    # Activations

    def real(self, a: Act) -> str:
        """The real numbers of ``a``."""
        if a.real:
            return a.real
        return self.node("DequantizeLinear", a.codes, self.const(a.scale),
                         self.const(a.zero, a.kind))  # fmt: skip

    def grid(self, spread: float, kind: str = "") -> tuple[float, int, str]:
        """Scale, zero point and integer type for numbers of about that size."""
        kind = kind or self.pick(*self.kinds)
        range_ = codes_of_type(kind)
        assert range_ is not None
        scale = self.power(self.pick(2, 3) * spread / (min(range_.size, 512) / 2))
        middle = (range_.lo + range_.hi + 1) // 2
        zero = self.pick(middle, middle, range_.lo, middle + int(self.rng.integers(-3, 4)))
        return scale, int(zero), kind

    def quantized(self, a: Act, like: Act | None = None) -> Act:
        """``a`` through a quantizer, on a grid of its own or on that of ``like``."""
        if self.dialect == "qonnx":
            return self._quant(a, like)
        scale, zero, kind = self.grid(a.spread)
        if like and like.kind != "float32":
            scale, zero, kind = like.scale, like.zero, like.kind
        self.note(a, scale)
        given = [self.const(scale), self.const(zero, kind)]
        x = self.node("QuantizeLinear", self.real(a), *given)
        b = Act(a.shape, a.spread, "", x, scale, zero, kind)
        if self.dialect == "qoperator":
            return b
        if self.dialect == "qcdq" and kind in ("int8", "uint8") and self.maybe(0.7):
            bits = int(self.rng.integers(2, 8))
            lo, hi = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "int8" else (0, 2**bits)
            x = self.node("Clip", x, self.const(lo, kind), self.const(hi, kind))
        return replace(b, codes=x, real=self.node("DequantizeLinear", x, *given))

    def _quant(self, a: Act, like: Act | None) -> Act:
        bits = int(self.rng.integers(2, 9))
        signed, mode = self.maybe(0.7), self.pick("ROUND", *ROUNDINGS)
        scale = like.scale if like else self.power(2 * a.spread / 2.0 ** (bits - 1))
        zero = self.pick(0, 0, 0, 1) if bits > 2 else 0
        self.note(a, scale, halves=mode.upper() in ("ROUND", "HALF_EVEN", "HALF_UP", "HALF_DOWN"))
        x = self.quant(self.real(a), scale, bits, zero=zero, signed=signed, rounding=mode,
                       narrow=self.maybe(0.2))  # fmt: skip
        self.nodes[-1].op_type = self.pick("Quant", "Quant", "IntQuant")
        return Act(a.shape, a.spread, x, "", scale)

    def note(self, a: Act, scale: float, *, halves: bool = True) -> None:
        """Remember what a quantizer of ``scale`` makes of ``a``, where that may be rounded."""
        if a.soft:
            shift = 0 if halves else 0.5
            self.soft.append(Soft(a.real, lambda y: y / scale + shift, a.soft == "average"))

    def settled(self, a: Act, probability: float = 1.0) -> Act:
        """``a`` quantized where it must be: soft, or of a dialect that works on codes."""
        must = a.soft or (self.dialect == "qoperator" and not a.codes)
        return self.quantized(a) if must or self.maybe(probability) else a

    # Weights

    def weight(self, shape: tuple[int, ...], axis: int, kind: str = "") -> Weight:
        """A random one; with one scale, or one per index of ``axis``."""
        kind = kind or (self.pick("int8", "int8", "uint8", *self.kinds)
                        if self.dialect != "qonnx" else "int8")  # fmt: skip
        kind = kind if kind in ("int4", "uint4", "uint8") else "int8"
        range_ = codes_of_type(kind)
        assert range_ is not None
        bits = int(self.rng.integers(2, range_.width + 1))
        middle = (range_.lo + range_.hi + 1) // 2
        lo, hi = middle - 2 ** (bits - 1), middle + 2 ** (bits - 1) - 1
        codes = self.rng.integers(lo, hi + 1, shape)
        zero = middle if self.dialect == "qonnx" else self.pick(middle, middle, middle + 1)
        count = shape[axis] if self.maybe(0.4) else 1
        scale = 2.0 ** (self.rng.integers(-1, 2, count) - bits)
        return Weight(codes, scale, zero, kind, axis)

    def real_weight(self, w: Weight) -> str:
        """The weight as real numbers: behind a quantizer or a DequantizeLinear."""
        column = [-1 if i == w.axis else 1 for i in range(w.codes.ndim)]
        if self.dialect == "qonnx":
            scale = w.scale.reshape(column) if len(w.scale) > 1 else w.scale.reshape(())
            bits = max(2, int(np.abs(w.codes).max()).bit_length() + 1)
            return self.quant(self.const(w.codes * scale), scale, bits)
        x = self.const(w.codes, w.kind)
        if self.dialect == "qcdq" and w.kind == "int8":
            x = self.node("Clip", x, self.const(-127, "int8"), self.const(127, "int8"))
        if len(w.scale) == 1:
            return self.node("DequantizeLinear", x, self.const(w.scale[0]),
                             self.const(w.zero, w.kind))  # fmt: skip
        zeros = np.full(len(w.scale), w.zero)
        return self.node("DequantizeLinear", x, self.const(w.scale), self.const(zeros, w.kind),
                         axis=self.pick(w.axis, w.axis - w.codes.ndim))  # fmt: skip

    def bias(self, size: int, scale: np.ndarray, spread: float) -> str:
        """Real numbers, one per output; in the ONNX dialects from int32."""
        if self.dialect == "qonnx":
            return self.const(self.dyadic((size,), spread))
        codes = np.rint(self.rng.normal(0, spread, size) / scale).astype(np.int64)
        codes = self.const(codes.clip(-(2**20), 2**20), np.int32)
        per_channel = {"axis": 0} if len(scale) > 1 else {}
        return self.node("DequantizeLinear", codes, self.const(scale if per_channel else scale[0]),
                         **per_channel)  # fmt: skip
