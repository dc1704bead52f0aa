"""Any function of a small range by a table: what no staircase can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.function_table import FunctionTable
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, streaming
from hwgen.lowering.cost import rom_cost
from hwgen.lowering.lanewise import Lanewise

LARGEST = 4096  # entries of a channel's table


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """``y[..., c] = table[c, x[..., c] - lo]`` with ``table`` int64 ``(C, size)``.

    ``(1, size)`` serves all channels alike; the table must reach over the whole range of x, of
    which it holds at most :data:`LARGEST` integers.
    """

    table: np.ndarray
    lo: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", frozen_array(self.table))
        if self.table.ndim != 2 or not 1 <= self.table.shape[1] <= LARGEST:
            raise ValueError(f"table must be (C, 1..{LARGEST}), not {self.table.shape}")

    def reached(self, x: TensorType) -> np.ndarray:
        """The entries for the range of ``x``, ``(C or 1, x.range.size)``."""
        first = x.range.lo - self.lo
        return self.table[:, first : first + x.range.size]

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if len(self.table) not in (1, x0.channels):
            raise ValueError(f"input has {x0.channels} channels, table {len(self.table)}")
        if x0.range not in IntRange(self.lo, self.lo + self.table.shape[1] - 1):
            raise ValueError(f"the table does not reach over {x0.range}")
        return TensorType(x0.shape, IntRange.of_array(self.reached(x0)))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        rows = np.arange(x[0].shape[-1]) if len(self.table) > 1 else 0
        return self.table[rows, x[0] - self.lo]


class LookupTables(Lanewise):
    """PE channels at a time, each with a table of its own."""

    op, name = Lookup, "tables"

    def cost(self, op: Lookup, folding: Folding, *x: TensorType) -> Cost:
        pe, beats = folding.pe, x[0].size // folding.pe
        groups = x[0].channels // pe if len(op.table) > 1 else 1
        lut, bram = rom_cost(op.infer(*x).range.width, groups << (x[0].range.size - 1).bit_length())
        return Cost(pe * lut + 10, 12, pe * bram, 0, beats, beats)

    def actor(self, op: Lookup, folding: Folding, *x: TensorType) -> Actor:
        return streaming(x[0].size // folding.pe, 1)

    def build(self, op: Lookup, folding: Folding, *x: TensorType) -> FunctionTable:
        return FunctionTable(x[0].range, op.infer(*x).range, op.reached(x[0]), folding.pe)
