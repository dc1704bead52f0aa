"""A part of a frame: cropping, strided slicing, and each branch of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class Slice(Op):
    """``x[start:stop:step]`` along every axis of the frame, ``(H, W, C)`` or ``(C,)``.

    Starts and stops are those of a Python slice once normalised: ``0 <= start < stop <= size``;
    steps are positive.
    """

    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if not len(self.starts) == len(self.stops) == len(self.steps) == len(x0.shape):
            raise ValueError(f"wants a start, stop and step for each axis of {x0.shape}")
        for size, start, stop, step in zip(
            x0.shape, self.starts, self.stops, self.steps, strict=True
        ):
            if not (0 <= start < stop <= size and step > 0):
                raise ValueError(f"{start}:{stop}:{step} is no part of an axis of {size}")
        return TensorType(self.shape, x0.range)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output."""
        ends = zip(self.starts, self.stops, self.steps, strict=True)
        return tuple(len(range(*end)) for end in ends)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        ends = zip(self.starts, self.stops, self.steps, strict=True)
        return x[0][(slice(None), *(slice(*end) for end in ends))]
