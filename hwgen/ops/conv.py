"""Convolution of a channels-last image with a constant integer kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from amaranth.lib.wiring import Component

from hwgen.core.intrange import IntRange
from hwgen.core.window import Window, windows
from hwgen.hw.mac_array import MacArray
from hwgen.hw.pipeline import Pipeline
from hwgen.ir.exact import integer_matmul
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding
from hwgen.lowering.front import Front
from hwgen.lowering.macs import Folded
from hwgen.ops.matmul import accumulator_range, mac_cost


@dataclass(frozen=True, eq=False)
class Conv(Op):
    """Cross-correlation of an ``(H, W, CI)`` image, ``weight`` int64 ``(KH, KW, CI/groups, CO)``.

    ``padding`` is (top, left, bottom, right), filled with ``pad_value``; one-dimensional
    convolutions have H = KH = 1. Channels fall into ``groups`` equal runs: those of the output
    see only their own of the input.
    """

    weight: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    pad_value: int = 0
    groups: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight))
        if self.weight.ndim != 4 or self.groups < 1 or self.weight.shape[3] % self.groups:
            raise ValueError(
                f"weight must be (KH, KW, CI / {self.groups}, CO), not {self.weight.shape}"
            )

    @property
    def window(self) -> Window:
        return Window(self.weight.shape[:2], self.stride, self.padding, self.dilation)

    @property
    def matrix(self) -> np.ndarray:
        """The kernel as a matrix ``(KH*KW*CI/groups, CO)``, rows in the order of the window's
        elements."""
        return self.weight.reshape(-1, self.weight.shape[3])

    @property
    def matrices(self) -> list[np.ndarray]:
        """:attr:`matrix` cut into those of the groups."""
        return np.split(self.matrix, self.groups, axis=1)

    def padded_range(self, x: TensorType) -> IntRange:
        """The range of the image once its border is filled."""
        padded = any(self.padding)
        return x.range | IntRange(self.pad_value, self.pad_value) if padded else x.range

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        channels = self.weight.shape[2] * self.groups
        if len(x0.shape) != 3 or x0.channels != channels:
            raise ValueError(f"input must be (H, W, {channels}), not {x0.shape}")
        shape = (*self.window.output_shape(x0.shape), self.weight.shape[3])
        return TensorType(shape, accumulator_range(self.matrix, self.padded_range(x0)))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        view = windows(x[0], self.window, self.pad_value)
        parts = zip(np.split(view, self.groups, axis=-1), self.matrices, strict=True)
        results = [integer_matmul(x.reshape(*x.shape[:3], -1), w) for x, w in parts]
        return np.concatenate(results, axis=-1)

    def macs(self, *x: TensorType) -> int:
        height, width = self.window.output_shape(x[0].shape)
        return height * width * self.weight.size


class ConvFolded(Folded):
    """Windows of the image through one folded MAC array."""

    op = Conv

    def applies(self, op: Conv, *x: TensorType) -> bool:
        return self.packs(op.matrix, op.padded_range(x[0]))

    def foldings(self, op: Conv, *x: TensorType) -> Iterator[Folding]:
        return self.legal(*op.matrices[0].shape)

    def lanes(self, op: Conv, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (self._front(op, folding, *x).lanes,), folding.pe

    def cost(self, op: Conv, folding: Folding, *x: TensorType) -> Cost:
        front = self._front(op, folding, *x)
        interval, latency = front.cycles(op.matrices[0].shape[1] // folding.pe)
        macs = mac_cost(op.matrix, front.padded.range, folding, interval, latency + 2, op.groups,
                        self.packing)  # fmt: skip
        lut, ff, bram = front.area()
        return replace(macs, lut=macs.lut + lut, ff=macs.ff + ff, bram=macs.bram + bram)

    def actor(self, op: Conv, folding: Folding, *x: TensorType) -> Actor:
        passes = op.matrices[0].shape[1] // folding.pe
        return self._front(op, folding, *x).actor(passes, 2 + self.registers(op.matrix, folding))

    def build(self, op: Conv, folding: Folding, *x: TensorType) -> Component:
        front, y = self._front(op, folding, *x), op.infer(*x)
        weight = np.stack(np.split(front.rows(op.weight), op.groups, axis=1))
        macs = MacArray(front.padded.range, weight, y.range, pe=folding.pe, simd=folding.simd,
                        packing=self.packing)  # fmt: skip
        return Pipeline({**front.parts(), "macs": macs})

    @staticmethod
    def _front(op: Conv, folding: Folding, *x: TensorType) -> Front:
        return Front(x[0], op.window, op.pad_value, folding.simd, op.groups)
