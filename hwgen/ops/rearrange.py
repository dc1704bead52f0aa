"""Blocks of pixels to channels and back."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


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
