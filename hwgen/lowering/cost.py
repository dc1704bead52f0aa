"""Estimates of area. Cycles are exact and come from the components; these are not.

Units: LUT6 cells, flip-flops, 36 Kibit block RAMs. Fitted to yosys `synth_xilinx` results;
`hwgen synth` prints measured figures beside them.
"""

from __future__ import annotations

import math

from hwgen.core.intrange import IntRange
from hwgen.hw.weight_memory import rom_style


def product_luts(weight_bits: int, x_bits: int, *, bipolar: bool = False) -> float:
    """LUTs of one product of a stored weight and an input."""
    if bipolar or weight_bits == 1 or x_bits == 1:
        return 0.5 if x_bits == 1 else (x_bits + 1) / 2
    return 1.1 * weight_bits * x_bits


def adder_luts(terms: int, bits: int) -> float:
    """LUTs of a tree that adds ``terms`` values of ``bits`` bits."""
    levels = max(terms - 1, 0).bit_length()
    return sum((terms >> level) * (bits + level) for level in range(1, levels + 1))


def rom_cost(width: int, depth: int) -> tuple[int, float]:
    """(LUT, BRAM) of a read-only memory."""
    if rom_style(width, depth) == "block":
        return 0, max(0.5, math.ceil(width / 36 * max(1.0, depth / 1024) * 2) / 2)
    return math.ceil(width * max(depth, 1) / 64), 0.0


def ram_cost(width: int, depth: int) -> tuple[int, float]:
    """(LUT, BRAM) of a memory with one write and one read port."""
    if depth * width > 4096 and depth >= 128:
        return 0, max(0.5, math.ceil(width / 36 * max(1.0, depth / 1024) * 2) / 2)
    return math.ceil(width / 1.5 * math.ceil(depth / 32)), 0.0


def register_bits(lanes: int, range_: IntRange) -> int:
    """Flip-flops that hold one beat."""
    return lanes * range_.width
