"""Uniform integer grids without a zero point: what a Quant node of the model does, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Grid:
    """``bits`` wide codes, unsigned or two's complement; a signed single bit is -1 or 1.

    ``narrow`` leaves out the lowest signed code, so that the grid is symmetric.
    """

    bits: int
    signed: bool
    narrow: bool = False

    @property
    def sign(self) -> bool:
        """Whether the codes are -1 and 1."""
        return self.signed and self.bits == 1

    @property
    def hi(self) -> int:
        if self.sign:
            return 1
        return 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits - 1

    @property
    def lo(self) -> int:
        if self.sign:
            return -1
        return -(2 ** (self.bits - 1)) + self.narrow if self.signed else 0

    def codes(self, values: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
        """The nearest code of each value, ties to even, as float; zero has the sign code 1."""
        ratio = values / scale
        if self.sign:
            return np.where(ratio >= 0, 1.0, -1.0)
        return np.clip(np.rint(ratio), self.lo, self.hi)

    def __call__(self, values: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
        """What the codes of ``values`` stand for."""
        return self.codes(values, scale) * scale


def weight_grid(bits: int) -> Grid:
    """Symmetric codes, so that no weight's magnitude saturates at one sign only."""
    return Grid(bits, signed=True, narrow=bits > 1)
