"""Resize and Upsample: nearest neighbours only."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hwgen.frontends.call import Call, handles
from hwgen.frontends.geometry import image, tensor_of_image
from hwgen.frontends.lifted import Tensor
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.merges import axes_of
from hwgen.ops import Upsample


@handles("Resize", "Upsample")
def resize(lifter: Lifter, call: Call) -> Tensor:
    """Nearest neighbours: each pixel repeated, or every so many pixels taken."""
    x = call.lifted(integer=True)
    if call.attrs.get("mode", "nearest") != "nearest":
        raise call.error(f"it interpolates ({call.attrs['mode']})", "resize with mode nearest")
    sizes = [_scale(call, x.shape, axis)[1] for axis in range(len(x.shape))]
    if min(sizes) < 1:
        raise call.error(f"it resizes {x.shape} to {tuple(sizes)}", code="HW103")
    lifter.limits.check("tensor", math.prod(sizes), where=call.where)
    sources = [_sources(call, x.shape, axis) for axis in range(len(x.shape))]
    factors = [len(s) // n for s, n in zip(sources, x.shape, strict=True)]
    repeats = all(np.array_equal(s, np.arange(n).repeat(f))
                  for s, n, f in zip(sources, x.shape, factors, strict=True))  # fmt: skip
    if not repeats:
        index = x.index[np.ix_(*sources)]
        if len(np.unique(index)) < index.size:
            raise call.error("it repeats some pixels more often than others",
                             "resize by whole factors, mode nearest, rounding floor")  # fmt: skip
        return lifter.part(x, index)
    if max(factors) == 1:
        return x
    if len(x.shape) not in (3, 4) or factors[:2] != [1, 1]:
        raise call.error(f"it resizes a tensor {x.shape} by {factors}")
    x, permutation = lifter.fit(lifter.settled(x), image(call, x))
    factor = (factors[2], factors[3]) if len(factors) == 4 else (1, factors[2])
    assert isinstance(x.edge, str)
    edge = lifter.emit(Upsample(factor), x.edge)
    index = tensor_of_image(lifter.builder.type(edge).shape, len(x.shape))
    place = permutation.reshape(1, -1, *[1] * (len(x.shape) - 2))
    return replace(x, edge=edge, index=index[:, :1] + place)


def _sources(call: Call, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Where along ``axis`` each element of the output comes from, as the attributes say."""
    old, scale, new = shape[axis], *_scale(call, shape, axis)
    at = np.arange(new, dtype=np.float64)
    mode = call.attrs.get("coordinate_transformation_mode", "half_pixel")
    if call.op == "Upsample" or call.opset < 11:
        mode, rounding = "asymmetric", "floor"
    else:
        rounding = call.attrs.get("nearest_mode", "round_prefer_floor")
    match mode:
        case "asymmetric":
            at = at / scale
        case "half_pixel" | "half_pixel_symmetric" | "pytorch_half_pixel":
            at = (at + 0.5) / scale - 0.5 if new > 1 or mode != "pytorch_half_pixel" else at * 0
        case "align_corners":
            at = at * (old - 1) / (new - 1) if new > 1 else at * 0
        case _:
            raise call.error(f"its coordinates are in mode {mode}", "use asymmetric or half_pixel")
    match rounding:
        case "floor":
            at = np.floor(at)
        case "ceil":
            at = np.ceil(at)
        case "round_prefer_floor":
            at = np.ceil(at - 0.5)
        case "round_prefer_ceil":
            at = np.floor(at + 0.5)
    return at.clip(0, old - 1).astype(np.int64)


def _scale(call: Call, shape: tuple[int, ...], axis: int) -> tuple[float, int]:
    """The factor along ``axis`` and the output's size."""
    scales_at = 1 if call.op == "Upsample" or call.opset < 11 else 2
    axes = axes_of(call, call.attrs.get("axes", range(len(shape))), len(shape))
    if axis not in axes:
        return 1.0, shape[axis]
    k = axes.index(axis)
    if scales_at == 2 and call.get(3) is not None:
        size = int(np.ravel(call.constant(3, "sizes"))[k])
        return size / shape[axis], size
    scales = call.attrs.get("scales")
    if call.get(scales_at) is not None:
        scales = np.ravel(call.constant(scales_at, "scales"))
    if scales is None or len(scales) != len(axes):
        raise call.error("it states no size", code="HW103")
    return float(scales[k]), int(np.floor(shape[axis] * float(scales[k])))
