"""The type of an edge: shape of one frame, channels last, and the exact range of its integers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hwgen.core.intrange import IntRange


@dataclass(frozen=True, slots=True)
class TensorType:
    """One frame of integers.

    ``shape`` is ``(C,)`` or ``(H, W, C)``: channels last, no batch. In a stream the elements
    travel in the order of ``ndarray.ravel()``, several lanes of neighbouring channels per beat.
    """

    shape: tuple[int, ...]
    range: IntRange

    def __post_init__(self) -> None:
        if not self.shape or any(size < 1 for size in self.shape):
            raise ValueError(f"shape must have positive dimensions, not {self.shape}")

    @property
    def size(self) -> int:
        """Elements per frame."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def pixels(self) -> int:
        """Positions per frame: elements over channels."""
        return self.size // self.channels

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))} [{self.range}]"
