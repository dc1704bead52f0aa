"""Sums over windows of each channel: the exact half of average pooling."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from amaranth.lib.wiring import Component

from hwgen.core.intrange import IntRange
from hwgen.core.window import Window, windows
from hwgen.hw.dot_product import tree_registers
from hwgen.hw.frame_sum import FrameSum
from hwgen.hw.pipeline import Pipeline
from hwgen.hw.sum_tree import SumTree
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Rigid
from hwgen.lowering.cost import adder_luts, ram_cost
from hwgen.lowering.front import Front
from hwgen.lowering.lanewise import Lanewise


@dataclass(frozen=True, eq=False)
class SumPool(Op):
    """The sum of the pixels in each window of an ``(H, W, C)`` image; padding counts as 0."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    def covers(self, x: TensorType) -> bool:
        """Whether the one window is the whole image."""
        plain = not any(self.padding) and self.dilation == (1, 1)
        return plain and self.kernel == x.shape[:2]

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3:
            raise ValueError(f"input must be (H, W, C), not {x0.shape}")
        shape = (*self.window.output_shape(x0.shape), x0.channels)
        # At the border a window sums fewer pixels.
        ones = np.ones((1, *x0.shape[:2], 1), np.int64)
        pixels = IntRange.of_array(windows(ones, self.window, 0).sum(axis=(3, 4)))
        return TensorType(shape, x0.range * pixels)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return windows(x[0], self.window, 0).sum(axis=(3, 4))


class SumPoolParallel(Lanewise):
    """Whole windows of PE channels into a tree of adders."""

    op, name = SumPool, "parallel"

    def applies(self, op: SumPool, *x: TensorType) -> bool:
        return not op.covers(x[0])

    def cost(self, op: SumPool, folding: Folding, *x: TensorType) -> Cost:
        front, y = self._front(op, folding, *x), op.infer(*x)
        taps = prod(op.kernel)
        registers = tree_registers(taps)
        interval, latency = front.cycles(1)
        lut, ff, bram = front.area()
        lut += folding.pe * adder_luts(taps, x[0].range.width)
        ff += folding.pe * y.range.width * (1 + registers)
        return Cost(round(lut), ff, bram, 0, interval, latency + 1 + registers)

    def actor(self, op: SumPool, folding: Folding, *x: TensorType) -> Actor:
        return self._front(op, folding, *x).actor(1, 1 + tree_registers(prod(op.kernel)))

    def build(self, op: SumPool, folding: Folding, *x: TensorType) -> Component:
        front, y = self._front(op, folding, *x), op.infer(*x)
        tree = SumTree(front.padded.range, y.range, prod(op.kernel), folding.pe)
        return Pipeline({**front.parts(), "sum": tree})

    @staticmethod
    def _front(op: SumPool, folding: Folding, *x: TensorType) -> Front:
        groups = x[0].channels // folding.pe
        return Front(x[0], op.window, 0, folding.pe * prod(op.kernel), groups)


class SumPoolGlobal(Lanewise):
    """An accumulator for each channel; the whole image is one window."""

    op, name = SumPool, "global"

    def applies(self, op: SumPool, *x: TensorType) -> bool:
        return op.covers(x[0])

    def cost(self, op: SumPool, folding: Folding, *x: TensorType) -> Cost:
        beats, bits = x[0].size // folding.pe, folding.pe * op.infer(*x).range.width
        lut, bram = ram_cost(bits, x[0].channels // folding.pe)
        return Cost(lut + bits + 20, bits + 30, bram, 0, beats, beats)

    def actor(self, op: SumPool, folding: Folding, *x: TensorType) -> Actor:
        beats, groups = np.arange(x[0].size // folding.pe), x[0].channels // folding.pe
        return Rigid((beats,), beats[-groups:], len(beats))

    def build(self, op: SumPool, folding: Folding, *x: TensorType) -> FrameSum:
        groups = x[0].channels // folding.pe
        return FrameSum(x[0].range, op.infer(*x).range, x[0].pixels, groups, folding.pe)
