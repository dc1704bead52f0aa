"""Blocks of pixels to channels and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np

from hwgen.hw.frame_transpose import FrameTranspose
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Blocks, Cost, Folding, divisors, streaming
from hwgen.lowering.cost import ram_cost
from hwgen.lowering.lanewise import Lanewise


class Rearrange(Op):
    """A frame seen with more axes, these permuted, and the result seen as an image again."""

    @abstractmethod
    def view(
        self, shape: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """(shape with more axes, permutation of them, shape that comes out) for a frame's shape.

        Raises ValueError where the block does not divide it.
        """

    def infer(self, *x: TensorType) -> TensorType:
        return TensorType(self.view(x[0].shape)[2], x[0].range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        shape, axes, result = self.view(x[0].shape[1:])
        y = x[0].reshape(-1, *shape).transpose(0, *(axis + 1 for axis in axes))
        return y.reshape(-1, *result)


@dataclass(frozen=True, eq=False)
class DepthToSpace(Rearrange):
    """``(H, W, b*b*C)`` to ``(H*b, W*b, C)``: pixel (i, j) of a block takes channels

    ``(i*b + j) * C + c`` (mode DCR) or ``c*b*b + i*b + j`` (mode CRD, the pixel shuffle).
    """

    block: int
    mode: str = "DCR"

    def view(
        self, shape: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        height, width, channels = _image(shape, self)
        b, (depth, rest) = self.block, divmod(channels, self.block**2)
        if rest:
            raise ValueError(f"{channels} channels are no blocks of {b}x{b}")
        result = (height * b, width * b, depth)
        if self.mode == "DCR":
            return (height, width, b, b, depth), (0, 2, 1, 3, 4), result
        return (height, width, depth, b, b), (0, 3, 1, 4, 2), result


@dataclass(frozen=True, eq=False)
class SpaceToDepth(Rearrange):
    """``(H*b, W*b, C)`` to ``(H, W, b*b*C)``: the inverse of :class:`DepthToSpace`."""

    block: int
    mode: str = "DCR"

    def view(
        self, shape: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        height, width, channels = _image(shape, self)
        b = self.block
        if height % b or width % b:
            raise ValueError(f"an image of {height}x{width} is no grid of blocks of {b}x{b}")
        axes = (0, 2, 1, 3, 4) if self.mode == "DCR" else (0, 2, 4, 1, 3)
        result = (height // b, width // b, b * b * channels)
        return (height // b, b, width // b, b, channels), axes, result


def _image(shape: tuple[int, ...], op: DepthToSpace | SpaceToDepth) -> tuple[int, int, int]:
    if len(shape) != 3 or op.block < 1 or op.mode not in ("DCR", "CRD"):
        raise ValueError(f"wants (H, W, C), a block of 1 or more, DCR or CRD: {shape}, {op}")
    return shape[0], shape[1], shape[2]


class _Reordered(Lanewise):
    """Rows of blocks, one written while the one before is read; words of neighbouring channels."""

    def foldings(self, op: Rearrange, *x: TensorType) -> Iterator[Folding]:
        together = gcd(x[0].channels, op.infer(*x).channels)
        for pe in divisors(together):
            if self.build(op, Folding(pe), *x).word == pe:
                yield Folding(pe)

    def cost(self, op: Rearrange, folding: Folding, *x: TensorType) -> Cost:
        circuit = self.build(op, folding, *x)
        lut, bram = ram_cost(folding.pe * x[0].range.width, 2 * circuit.block)
        return Cost(lut + 40, 40, bram, 0, circuit.interval, circuit.latency)

    def actor(self, op: Rearrange, folding: Folding, *x: TensorType) -> Actor:
        circuit = self.build(op, folding, *x)
        return (
            Blocks(circuit.block, circuit.block)
            if circuit.block
            else streaming(circuit.interval, 0)
        )

    def build(self, op: Rearrange, folding: Folding, *x: TensorType) -> FrameTranspose:
        shape, axes, _ = op.view(x[0].shape)
        return FrameTranspose(x[0].range, shape, axes, folding.pe, folding.pe)


class DepthToSpaceReordered(_Reordered):
    op, name = DepthToSpace, "reordered"


class SpaceToDepthReordered(_Reordered):
    op, name = SpaceToDepth, "reordered"
