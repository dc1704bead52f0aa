"""QONNX operators in float32, as their reference executes them.

For the oracle alone, and written apart from ``hwgen.ir.chain``, so that one checks the other.
"""

from __future__ import annotations

import numpy as np

F32 = np.float32


def _round(x: np.ndarray, mode: str) -> np.ndarray:
    whole, part = np.trunc(x), np.abs(x - np.trunc(x))
    away = whole + np.copysign(F32(1), x)
    match mode.upper():
        case "ROUND" | "HALF_EVEN":
            return np.round(x)
        case "CEIL":
            return np.ceil(x)
        case "FLOOR":
            return np.floor(x)
        case "UP":
            return np.where(part > 0, away, whole)
        case "DOWN":
            return whole
        case "HALF_UP":
            return np.where(part >= 0.5, away, whole)
        case "HALF_DOWN":
            return np.where(part > 0.5, away, whole)
    raise ValueError(mode)


def _bounds(bits: np.ndarray, signed: int, narrow: int) -> tuple[np.ndarray, np.ndarray]:
    one = F32(2) ** np.asarray(bits, F32)
    if signed:
        return -one / 2 + F32(bool(narrow)), one / 2 - 1
    return one * 0, one - 1 - F32(bool(narrow))


def _quant(a: dict, x: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: np.ndarray):
    scale, zero = np.asarray(scale, F32), np.asarray(zero, F32)
    y = np.asarray(x, F32) / scale + zero
    if np.all(np.asarray(bits) == 1) and a.get("signed", 1):
        y = np.where(y >= 0, F32(1), F32(-1))
    else:
        lo, hi = _bounds(bits, a.get("signed", 1), a.get("narrow", 0))
        y = _round(np.minimum(np.maximum(y, lo), hi), a.get("rounding_mode", "ROUND"))
    return ((y - zero) * scale).astype(F32)


def _bipolar(_: dict, x: np.ndarray, scale: np.ndarray):
    return np.where(x >= 0, F32(1), F32(-1)) * np.asarray(scale, F32)


def _trunc(a: dict, x: np.ndarray, scale: np.ndarray, zero: np.ndarray, *rest: np.ndarray):
    scale, zero = np.asarray(scale, F32), np.asarray(zero, F32)
    y = np.round(np.asarray(x, F32) / scale + zero)
    mode = a.get("rounding_mode", "FLOOR")
    if len(rest) == 2:
        in_bits, out_bits = rest
        y = _round(y / F32(2) ** np.asarray(in_bits - out_bits, F32), mode)
        return ((y - zero) * scale).astype(F32)
    _, out_scale, out_bits = rest
    factor = F32(2) ** np.round(np.log2(np.asarray(out_scale, F32) / scale))
    lo, hi = _bounds(out_bits, a.get("signed", 1), a.get("narrow", 0))
    y = _round(np.clip(y / factor, lo, hi), mode)
    return ((y - zero / factor) * np.asarray(out_scale, F32)).astype(F32)


def _multi_threshold(a: dict, x: np.ndarray, thresholds: np.ndarray):
    channels_first = a.get("data_layout", "NCHW").startswith("NC") and x.ndim > 1
    last = np.moveaxis(x, 1, -1) if channels_first else x
    count = np.zeros(last.shape, F32)
    for step in np.asarray(thresholds, F32).T:
        count += last >= step
    y = F32(a.get("out_scale", 1.0)) * count + F32(a.get("out_bias", 0.0))
    return np.ascontiguousarray(np.moveaxis(y, -1, 1) if channels_first else y)


CUSTOM = {
    "Quant": _quant, "IntQuant": _quant, "BipolarQuant": _bipolar, "Trunc": _trunc,
    "MultiThreshold": _multi_threshold,
}  # fmt: skip
