"""Elements of a frame in another order: the one layout change that costs memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwgen.hw.frame_transpose import FrameTranspose
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Blocks, Cost, Folding, Lowering, streaming
from hwgen.lowering.cost import ram_cost


@dataclass(frozen=True, eq=False)
class Transpose(Op):
    """Axes of the frame permuted: axis ``i`` of the output is axis ``axes[i]`` of the input."""

    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        if sorted(self.axes) != list(range(len(self.axes))):
            raise ValueError(f"axes must be a permutation, not {self.axes}")

    def infer(self, *x: TensorType) -> TensorType:
        if len(self.axes) != len(x[0].shape):
            raise ValueError(f"input {x[0].shape} has not {len(self.axes)} axes")
        return TensorType(tuple(x[0].shape[axis] for axis in self.axes), x[0].range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return x[0].transpose(0, *(axis + 1 for axis in self.axes))


class TransposeBuffered(Lowering):
    """A frame is written while the one before it is read in the other order."""

    op, name = Transpose, "buffered"

    def foldings(self, op: Transpose, *x: TensorType) -> Iterator[Folding]:
        yield Folding()

    def lanes(self, op: Transpose, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (1,), 1

    def cost(self, op: Transpose, folding: Folding, *x: TensorType) -> Cost:
        circuit = self.build(op, folding, *x)
        lut, bram = ram_cost(x[0].range.width, 2 * circuit.block)
        return Cost(lut + 40, 40, bram, 0, circuit.interval, circuit.latency)

    def actor(self, op: Transpose, folding: Folding, *x: TensorType) -> Actor:
        circuit = self.build(op, folding, *x)
        beats = circuit.block
        return Blocks(beats, beats) if beats else streaming(x[0].size, 0)

    def build(self, op: Transpose, folding: Folding, *x: TensorType) -> FrameTranspose:
        return FrameTranspose(x[0].range, x[0].shape, op.axes, 1, 1)
