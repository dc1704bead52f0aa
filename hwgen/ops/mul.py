"""Product of two tensors, or of an image and a gate for each of its channels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from amaranth.lib.wiring import Component

from hwgen.hw.elementwise import Product
from hwgen.hw.gated_product import GatedProduct
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Gated
from hwgen.lowering.cost import ram_cost
from hwgen.lowering.lanewise import Joined


@dataclass(frozen=True, eq=False)
class Mul(Op):
    """``y = x0 * x1``: equal shapes, or ``x1`` one vector ``(C,)`` or ``(1, 1, C)`` for all pixels.

    The latter is the gate of a squeeze-and-excite block; it is always the second input.
    """

    def infer(self, *x: TensorType) -> TensorType:
        a, b = x
        if b.shape != a.shape and not (b.pixels == 1 and b.channels == a.channels):
            raise ValueError(f"shapes {a.shape} and {b.shape} do not go together")
        return TensorType(a.shape, a.range * b.range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        a, b = x
        if a.shape[1:] != b.shape[1:]:
            b = b.reshape(len(b), *[1] * (a.ndim - 2), a.shape[-1])
        return a * b


class MulJoined(Joined):
    """PE channels of both inputs at a time."""

    op, name = Mul, "joined"

    def applies(self, op: Mul, *x: TensorType) -> bool:
        return x[0].shape == x[1].shape

    def cost(self, op: Mul, folding: Folding, *x: TensorType) -> Cost:
        a, b = (x0.range.width for x0 in x)
        lut, dsp = (folding.pe * a * b, 0) if a * b <= 48 else (0, folding.pe)
        return self.streamed(folding, *x, y=op.infer(*x).range, lut=lut, dsp=dsp)

    def build(self, op: Mul, folding: Folding, *x: TensorType) -> Component:
        return Product([x0.range for x0 in x], op.infer(*x).range, folding.pe)


class MulGated(MulJoined):
    """The gates of a frame, held in a buffer of two, meet every pixel."""

    op, name = Mul, "gated"

    def applies(self, op: Mul, *x: TensorType) -> bool:
        return x[0].shape != x[1].shape

    def cost(self, op: Mul, folding: Folding, *x: TensorType) -> Cost:
        cost = super().cost(op, folding, *x)
        gates = x[1].size // folding.pe
        lut, bram = ram_cost(folding.pe * x[1].range.width, 2 * gates)
        return replace(cost, lut=cost.lut + lut + 40, ff=cost.ff + 20, bram=bram,
                       latency=cost.latency + gates + 1)  # fmt: skip

    def actor(self, op: Mul, folding: Folding, *x: TensorType) -> Actor:
        beats, gates = (x0.size // folding.pe for x0 in x)
        return Gated(beats, gates, Product.DEPTH)

    def build(self, op: Mul, folding: Folding, *x: TensorType) -> Component:
        return GatedProduct(x[0].range, x[1].range, op.infer(*x).range, folding.pe,
                            x[0].pixels, x[0].channels // folding.pe)  # fmt: skip
