"""What enters the dot products of a layer: a sample of its input columns."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hwgen.frontends import Source
from hwgen.frontends.float_net import Layer
from hwgen.frontends.tensors import attributes
from hwgen.quantize.statistics import Progress, fetch, silent

SAMPLE = 1 << 13  # columns of a layer; as many equations for its weights
LARGEST = 1 << 23  # elements of all of them; only wide depthwise layers have more
CHUNK = 1 << 24


def sample_columns(source: Source, layers: list[Layer], frames: Mapping[str, np.ndarray], *,
                   progress: Progress = silent) -> dict[str, np.ndarray]:  # fmt: skip
    """Input columns ``(n, groups, inputs of a group * kernel)`` of each layer, by its name.

    ``layer.view`` orders a row of weights in the same way, so that an output is the product of the
    two. About :data:`SAMPLE` positions are drawn, from every frame as many; they are the same for
    any model that gives the layer an input of the same shape. Transposed convolutions have none.
    """
    count = len(next(iter(frames.values())))
    wanted = [layer for layer in layers if layer.op != "ConvTranspose"]
    parts: dict[str, list[np.ndarray]] = {layer.name: [] for layer in wanted}
    start, step = 0, 1
    while start < count:
        batch = {name: array[start : start + step] for name, array in frames.items()}
        made = fetch(source, batch, dict.fromkeys(layer.x for layer in wanted))
        for layer in wanted:
            parts[layer.name].append(columns(layer, made[layer.x], share(layer, count), start))
        start += step
        step = max(1, CHUNK // sum(values[0].size for values in made.values()))
        progress(f"sampling layer inputs: frame {min(start, count)} of {count}")
    return {name: np.concatenate(part) for name, part in parts.items()}


def share(layer: Layer, frames: int) -> int:
    """How many columns of each of ``frames`` are drawn."""
    values = layer.inputs * math.prod(layer.shape[2:]) if layer.op == "Conv" else layer.inputs
    return max(1, math.ceil(min(SAMPLE, LARGEST // values) / frames))


def columns(layer: Layer, x: np.ndarray, limit: int, seed: int = 0) -> np.ndarray:
    """At most ``limit`` columns of each frame of ``x``, the input of ``layer``.

    Frame ``k`` draws its positions by ``seed + k``.
    """
    if layer.op != "Conv":
        rows = x.reshape(len(x), -1, layer.inputs)
        frame, place = _draw(len(x), rows.shape[1], limit, seed)
        return rows[frame, place][:, None].astype(np.float32)
    attrs, spatial = attributes(layer.node), x.shape[2:]
    kernel = layer.shape[2:]
    strides = attrs.get("strides") or (1,) * len(kernel)
    dilations = attrs.get("dilations") or (1,) * len(kernel)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    padded = np.pad(x, [(0, 0), (0, 0), *_pads(attrs, spatial, strides, extent)])
    axes = tuple(range(2, x.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(padded, extent, axes)
    windows = windows[(..., *(slice(None, None, d) for d in dilations))]
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
    outputs = windows.shape[2 : x.ndim]
    frame, place = _draw(len(x), math.prod(outputs), limit, seed)
    drawn = windows[(frame, slice(None), *np.unravel_index(place, outputs))]  # (n, C, *kernel)
    return drawn.reshape(len(drawn), layer.groups, -1).astype(np.float32)


def _draw(frames: int, places: int, limit: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames and places of what is drawn, in order."""
    drawn = [
        np.sort(np.random.default_rng(seed + k).choice(places, limit, replace=False))
        if places > limit else np.arange(places)
        for k in range(frames)
    ]  # fmt: skip
    return np.repeat(np.arange(frames), [len(d) for d in drawn]), np.concatenate(drawn)


def _pads(attrs: Mapping, spatial, strides, extent) -> list[tuple[int, int]]:
    """Padding before and after each axis."""
    mode = attrs.get("auto_pad", "NOTSET")
    if mode.startswith("SAME"):
        total = [max((-(-n // s) - 1) * s + e - n, 0)
                 for n, s, e in zip(spatial, strides, extent, strict=True)]  # fmt: skip
        upper = mode == "SAME_UPPER"
        return [(n // 2, n - n // 2) if upper else (n - n // 2, n // 2) for n in total]
    pads = attrs.get("pads") if mode == "NOTSET" else None
    rank = len(spatial)
    pads = pads or (0,) * (2 * rank)
    return list(zip(pads[:rank], pads[rank:], strict=True))
