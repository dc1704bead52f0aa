"""Depthwise convolution: every channel of an image has kernels of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from amaranth.lib.wiring import Component

from hwgen.core.intrange import IntRange
from hwgen.core.window import Window, windows
from hwgen.hw.dot_product import tree_registers
from hwgen.hw.mac_array import MacArray
from hwgen.hw.pipeline import Pipeline
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, divisors
from hwgen.lowering.front import Front
from hwgen.ops.matmul import accumulator_range, mac_cost


@dataclass(frozen=True, eq=False)
class DepthwiseConv(Op):
    """Cross-correlation of each channel of ``(H, W, C)`` with its M kernels.

    ``weight`` is int64 ``(KH, KW, C, M)``; kernel m of channel c makes output channel
    ``c * M + m``. Padding and dilation as for :class:`Conv`.
    """

    weight: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    pad_value: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight))
        if self.weight.ndim != 4:
            raise ValueError(f"weight must be (KH, KW, C, M), not {self.weight.shape}")

    @property
    def window(self) -> Window:
        return Window(self.weight.shape[:2], self.stride, self.padding, self.dilation)

    @property
    def matrix(self) -> np.ndarray:
        """The kernels as columns ``(KH*KW, C*M)``."""
        kh, kw, channels, multiplier = self.weight.shape
        return self.weight.reshape(kh * kw, channels * multiplier)

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(x0.shape) != 3 or x0.channels != self.weight.shape[2]:
            raise ValueError(f"input must be (H, W, {self.weight.shape[2]}), not {x0.shape}")
        seen = x0.range
        if any(self.padding):
            seen |= IntRange(self.pad_value, self.pad_value)
        shape = (*self.window.output_shape(x0.shape), self.matrix.shape[1])
        return TensorType(shape, accumulator_range(self.matrix, seen))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        view = windows(x[0], self.window, self.pad_value)
        y = np.einsum("nyxijc,ijcm->nyxcm", view, self.weight)
        return y.reshape(*y.shape[:3], -1)

    def macs(self, *x: TensorType) -> int:
        height, width = self.window.output_shape(x[0].shape)
        return height * width * self.weight.size


class DepthwiseFolded(Lowering):
    """PE / M channels at a time, each with multipliers of its own.

    SIMD is 1, a tap per cycle from a serial window generator, or KH * KW, all taps at once.
    """

    op, name = DepthwiseConv, "folded"

    def foldings(self, op: DepthwiseConv, *x: TensorType) -> Iterator[Folding]:
        kh, kw, channels, multiplier = op.weight.shape
        for simd in sorted({1, kh * kw}):
            yield from (Folding(n * multiplier, simd) for n in divisors(channels))

    def lanes(
        self, op: DepthwiseConv, folding: Folding, *x: TensorType
    ) -> tuple[tuple[int, ...], int]:
        return (self._front(op, folding, *x).lanes,), folding.pe

    def cost(self, op: DepthwiseConv, folding: Folding, *x: TensorType) -> Cost:
        front = self._front(op, folding, *x)
        interval, latency = front.cycles(1)
        macs = mac_cost(op.matrix, front.padded.range, folding, interval, latency + 2, front.groups)
        lut, ff, bram = front.area()
        return replace(macs, lut=macs.lut + lut, ff=macs.ff + ff, bram=macs.bram + bram)

    def actor(self, op: DepthwiseConv, folding: Folding, *x: TensorType) -> Actor:
        return self._front(op, folding, *x).actor(1, 2 + tree_registers(folding.simd))

    def build(self, op: DepthwiseConv, folding: Folding, *x: TensorType) -> Component:
        front, y = self._front(op, folding, *x), op.infer(*x)
        matrices = np.stack(np.split(op.matrix, front.groups, axis=1))
        macs = MacArray(front.padded.range, matrices, y.range,
                        pe=folding.pe, simd=folding.simd, sets=front.channels)  # fmt: skip
        return Pipeline({**front.parts(), "macs": macs})

    @staticmethod
    def _front(op: DepthwiseConv, folding: Folding, *x: TensorType) -> Front:
        """Windows of as many channels as have multipliers, one such group after another."""
        channels = folding.pe // op.weight.shape[3]
        groups = x[0].channels // channels
        return Front(x[0], op.window, op.pad_value, channels * folding.simd, groups)
