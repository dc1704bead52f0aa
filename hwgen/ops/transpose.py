"""Elements of a frame in another order: the one layout change that costs memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


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
