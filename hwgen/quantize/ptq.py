"""Plain post-training quantization: one scale per tensor or channel, from what calibration shows.

Weights get symmetric codes, one scale per output channel that spans the channel's largest weight.
Activations get one scale per tensor that minimises the squared error over the calibration frames.
BatchNorm stays where it is: lifting discharges it into thresholds. Tensors that meet in an Add or a
Concat share one scale, so that the sum of their codes is the sum of their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from hwgen.core.errors import fail
from hwgen.frontends import Source, run_source
from hwgen.frontends.annotate import FLOAT_OPS, Quantizer, constants, insert_quantizers

MEETING = frozenset({"Add", "Sub", "Concat", "Mul"})
AVERAGING = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})
INPUT_BITS = 8  # what a camera or a microphone delivers; the model's input is never coarser
CLIPS = np.linspace(0.3, 1.0, 29)  # shares of the greatest value tried as clipping points
SAMPLES = 1 << 16  # values of a tensor that the search for its scale looks at


def quantize(source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray]) -> Source:
    """``source`` with weights of ``wbits`` and activations of ``abits`` (1 to 8).

    ``calibration`` holds frames ``(N, ...)`` for every model input. Raises HW206 where nothing in
    the model has weights, HW112 where the frames do not fit.
    """
    known = constants(source)
    weights = dict(_weights(source, known))
    if not weights:
        fail("HW206", where=source.name, why="no Conv, Gemm or MatMul with constant weights in it")
    groups = _groups(source, known)
    names = [name for group in groups for name in group]
    seen = run_source(source, calibration, [n for n in names if n not in source.inputs])
    seen |= {name: np.asarray(calibration[name]) for name in source.inputs}
    quantizers: dict[str, Quantizer] = {
        name: weight_quantizer(known[name], wbits, axis)
        for name, axis in weights.items()
    }
    for group in groups:
        values = np.concatenate([_sample(seen[name]) for name in sorted(group)])
        bits = max(abits, INPUT_BITS) if group & set(source.inputs) else abits
        quantizers |= dict.fromkeys(sorted(group), activation_quantizer(values, bits))
    return insert_quantizers(source, quantizers)


def weight_quantizer(weight: np.ndarray, bits: int, axis: int) -> Quantizer:
    """Symmetric codes with one scale per channel of ``axis``; one bit is the sign.

    The one-bit scale is the mean magnitude, which minimises the squared error (XNOR-Net, eq. 6).
    """
    magnitude = np.abs(weight)
    others = tuple(k for k in range(weight.ndim) if k != axis)
    if bits == 1:
        scale = magnitude.mean(axis=others, keepdims=True)
    else:
        scale = magnitude.max(axis=others, keepdims=True) / (2 ** (bits - 1) - 1)
    scale = np.where(scale > 0, scale, 1.0)  # a channel of zeros: any scale will do
    return Quantizer(bits, scale.astype(np.float32), signed=True, narrow=bits > 1)


def activation_quantizer(values: np.ndarray, bits: int) -> Quantizer:
    """The scale with the least squared error over ``values``; unsigned where none is negative."""
    signed = bool(values.min() < 0)
    levels = 2 ** (bits - 1) - 1 if signed and bits > 1 else 2**bits - 1
    lowest = -levels - 1 if signed and bits > 1 else 0
    if signed and bits == 1:
        return Quantizer(1, np.float32(np.abs(values).mean() or 1.0), signed=True)
    greatest = float(np.abs(values).max()) or 1.0
    scales = greatest * CLIPS / levels
    errors = [
        np.square(np.clip(np.rint(values / scale), lowest, levels) * scale - values).sum()
        for scale in scales
    ]
    return Quantizer(bits, np.float32(scales[int(np.argmin(errors))]), signed=signed)


def _weights(source: Source, known: Mapping[str, np.ndarray]) -> Iterable[tuple[str, int]]:
    """Constant weights and the axis of their output channels."""
    for node in source.nodes:
        if node.op_type not in FLOAT_OPS or node.input[1] not in known:
            continue
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        axis = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0 if transposed else 1}.get(node.op_type)
        rank = known[node.input[1]].ndim
        yield node.input[1], rank - 1 if axis is None else axis


def _groups(source: Source, known: Mapping[str, np.ndarray]) -> list[set[str]]:
    """Tensors to quantize, those that must share a scale together."""
    groups: list[set[str]] = []
    for node in source.nodes:
        values = {name for name in node.input if name and name not in known}
        if node.op_type in FLOAT_OPS or node.op_type in AVERAGING:
            wanted = {node.input[0]}
        elif node.op_type in MEETING and len(values) > 1:
            wanted = values
        else:
            continue
        touching = [group for group in groups if group & wanted]
        groups = [group for group in groups if not group & wanted]
        groups.append(wanted.union(*touching))
    return groups


def _sample(values: np.ndarray) -> np.ndarray:
    """At most :data:`SAMPLES` elements, evenly chosen, and both extremes."""
    flat = np.asarray(values, np.float64).ravel()
    step = max(1, flat.size // SAMPLES)
    return np.concatenate([flat[::step], [flat.min(), flat.max()]])
