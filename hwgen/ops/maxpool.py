"""Sliding maximum over the pixels of each channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from amaranth.lib.wiring import Component

from hwgen.core.window import Window, windows
from hwgen.hw.max_tree import MaxTree
from hwgen.hw.pad import Pad
from hwgen.hw.parallel_window import ParallelWindow
from hwgen.hw.pipeline import Pipeline
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, Rigid, divisors
from hwgen.lowering.cost import ram_cost


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """Maximum over windows of an ``(H, W, C)`` image; padding never wins."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3:
            raise ValueError(f"input must be (H, W, C), not {x0.shape}")
        height, width = self.window.output_shape(x0.shape)
        for axis, count in enumerate((height, width)):
            starts = np.arange(count)[:, None] * self.stride[axis] - self.padding[axis]
            taps = starts + np.arange(self.kernel[axis]) * self.dilation[axis]
            if not ((taps >= 0) & (taps < x0.shape[axis])).any(axis=1).all():
                raise ValueError(f"padding {self.padding} leaves a window without a pixel")
        return TensorType((height, width, x0.channels), x0.range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        lowest = np.iinfo(np.int64).min
        return windows(x[0], self.window, lowest).max(axis=(3, 4))


class MaxPoolParallel(Lowering):
    """Whole windows of PE channels into a tree of comparators."""

    op, name = MaxPool, "parallel"

    def foldings(self, op: MaxPool, *x: TensorType) -> Iterator[Folding]:
        yield from (Folding(pe) for pe in divisors(x[0].channels))

    def lanes(self, op: MaxPool, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.pe,), folding.pe

    def cost(self, op: MaxPool, folding: Folding, *x: TensorType) -> Cost:
        pad, window, _ = self._parts(op, folding, *x).values()
        walk, bits = window.walk, folding.pe * x[0].range.width
        lines = walk.kernel[0] - 1
        lut, bram = ram_cost(bits * lines, walk.row) if lines else (0, 0.0)
        taps = prod(op.kernel)
        lut += round(1.5 * bits * (taps - 1)) + 25
        latency = window.latency - pad.first + 1
        return Cost(lut, bits * (taps + 1) + 20, bram, 0, window.interval, latency)

    def actor(self, op: MaxPool, folding: Folding, *x: TensorType) -> Actor:
        pad, window, _ = self._parts(op, folding, *x).values()
        walk = window.walk
        ends = (np.asarray(walk.bases)[:, None] + np.arange(walk.groups)).ravel() + walk.span
        gives = ends - walk.groups
        return Rigid((pad.places(),), gives, window.interval, 2, head=pad.first)

    def build(self, op: MaxPool, folding: Folding, *x: TensorType) -> Component:
        return Pipeline(self._parts(op, folding, *x))

    @staticmethod
    def _parts(op: MaxPool, folding: Folding, *x: TensorType) -> dict[str, Any]:
        (height, width, channels), pe, range_ = x[0].shape, folding.pe, x[0].range
        pad = Pad(range_, (height, width, channels), pe, op.padding, range_.lo)
        shape = (*op.window.padded_shape(x[0].shape), channels)
        window = ParallelWindow(range_, shape, pe, op.kernel, op.stride, op.dilation)
        return {"pad": pad, "window": window, "max": MaxTree(range_, prod(op.kernel), pe)}
