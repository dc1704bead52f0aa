"""What the lowerings that end in a MAC array share: in LUTs, or in DSPs of some kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import is_bipolar, tree_registers
from hwgen.hw.dsp_layout import PORTS, Packing, Weights, fits, most_lanes
from hwgen.hw.packed_products import packed_registers
from hwgen.hw.stream import element
from hwgen.lowering.base import Folding, Lowering, divisors

MOST_ROWS = 12  # that may share a DSP
DSPS = tuple(PORTS)  # kinds of DSPs


class Folded(Lowering):
    """Through one folded MAC array: multiplied in LUTs, or several rows of weights to a DSP."""

    def __init__(self, packing: Packing | None = None):
        self.packing = packing
        self.name = packing.name if packing else "folded"

    def in_dsps(self, port: str) -> Iterator[Lowering]:
        return (type(self)(Packing(PORTS[port], rows)) for rows in range(1, MOST_ROWS + 1))

    def packs(self, weight: np.ndarray, x: IntRange) -> bool:
        """Whether weights and inputs in that range suit the DSPs, if there are any."""
        if self.packing is None:
            return True
        port, values, shape = self.packing.port, Weights.of(weight), element(x)
        suits = not is_bipolar(weight) and fits(port, values, shape)
        return suits and (self.packing.rows or 1) <= most_lanes(port, values, shape)

    def legal(self, rows: int, columns: int) -> Iterator[Folding]:
        """Foldings of a matrix; with DSPs those that store weights, and that no packing of fewer
        rows equals."""
        for pe in divisors(columns):
            for simd in divisors(rows):
                share = self.packing.rows if self.packing else None
                if share is None or (
                    pe * simd < rows * columns
                    and (share == 1 or -(-pe // share) < -(-pe // (share - 1)))
                ):
                    yield Folding(pe, simd)

    def registers(self, weight: np.ndarray, folding: Folding) -> int:
        """Registers within the array; ``weight`` are all of its matrices."""
        packed = self.packing and weight.size > folding.pe * folding.simd
        return packed_registers(folding.simd) if packed else tree_registers(folding.simd)
