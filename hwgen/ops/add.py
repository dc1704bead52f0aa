"""Weighted sum of several tensors: residual connections of any scales."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.elementwise import WeightedSum
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering import Cost, Folding
from hwgen.lowering.cost import rom_cost
from hwgen.lowering.lanewise import Joined


@dataclass(frozen=True, eq=False)
class Add(Op):
    """``y = sum_i multipliers[i] * x_i + offset`` over inputs of one shape.

    ``offset`` is an integer, or int64 ``(C,)`` with one for each channel.
    """

    multipliers: tuple[int, ...]
    offset: np.ndarray | int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "offset", frozen_array(np.ravel(self.offset)))
        if not self.multipliers:
            raise ValueError("a sum needs an input")

    @property
    def offsets(self) -> np.ndarray:
        """``offset`` as ``(1,)`` or ``(C,)``."""
        return np.asarray(self.offset)

    def infer(self, *x: TensorType) -> TensorType:
        if len(x) != len(self.multipliers) or len({x0.shape for x0 in x}) != 1:
            raise ValueError(
                f"wants {len(self.multipliers)} inputs of one shape, not {[x0.shape for x0 in x]}"
            )
        if len(self.offsets) not in (1, x[0].channels):
            raise ValueError(f"offset has {len(self.offsets)} channels, input {x[0].channels}")
        terms = [x0.range * IntRange(k, k) for k, x0 in zip(self.multipliers, x, strict=True)]
        return TensorType(x[0].shape, reduce(add, terms, IntRange.of_array(self.offsets)))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        terms = [k * x0 for k, x0 in zip(self.multipliers, x, strict=True)]
        return np.sum(terms, axis=0, dtype=np.int64) + self.offsets


class AddJoined(Joined):
    """PE channels of every input at a time."""

    op, name = Add, "joined"

    def cost(self, op: Add, folding: Folding, *x: TensorType) -> Cost:
        pe, y = folding.pe, op.infer(*x).range
        constant = IntRange.of_array(op.offsets)
        groups = max(len(op.offsets) // pe, 1) if constant.size > 1 else 1
        rom, bram = rom_cost(pe * constant.width, groups) if groups > 1 else (0, 0.0)
        # A multiplier costs about an adder for every two of its bits, in non-adjacent form.
        adders = sum(1 + abs(k).bit_length() // 2 for k in op.multipliers if abs(k) > 1)
        lut = pe * y.width * (len(x) - 1 + adders + (groups > 1))
        return self.streamed(folding, *x, y=y, lut=lut + rom, bram=bram)

    def build(self, op: Add, folding: Folding, *x: TensorType) -> WeightedSum:
        ranges, y = [x0.range for x0 in x], op.infer(*x).range
        return WeightedSum(ranges, y, folding.pe, op.multipliers, op.offsets)
