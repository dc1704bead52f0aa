"""Estimates of area. Cycles are exact and come from the components; these are not.

Units: LUT6 cells, flip-flops, 36 Kibit block RAMs. Fitted to yosys `synth_xilinx` results;
`hwgen synth` prints measured figures beside them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_tree import count_digits, differences
from hwgen.hw.constant_product import LARGEST_SEARCHED, product_registers
from hwgen.hw.pair_rows import row_heights, row_sites
from hwgen.hw.weight_memory import rom_style


def dot_product_luts(
    lanes: int, weight_bits: int, x_bits: int, rows: int, *, bipolar: bool = False
) -> float:
    """LUTs of one of ``rows`` dot products of stored weights and shared inputs.

    Follows what :func:`hwgen.hw.dot_product.dot_products` builds: rows over pairs of lanes, or a
    heap of single products. Compressing a heap takes a LUT cell per bit that vanishes.
    """
    width = weight_bits + x_bits + max(lanes - 1, 0).bit_length()
    heap = 1.8 * lanes * weight_bits * x_bits + width * (1 + bipolar)
    planes = tuple((j, False) for j in range(weight_bits))
    heights = row_heights(lanes, x_bits, planes, width)
    shared = -(-lanes // 2) * (x_bits + 1) / rows
    return min(heap, row_sites(lanes, x_bits, planes) + sum(heights) + width * bipolar + shared)


def dot_product_ffs(lanes: int, weight_bits: int, x_bits: int, registers: int) -> float:
    """Flip-flops within such a dot product of so many ``registers`` on each path.

    The first holds what the rows leave, or about half as many bits as a heap has; the others two
    words.
    """
    if not registers:
        return 0
    width = weight_bits + x_bits + max(lanes - 1, 0).bit_length()
    planes = tuple((j, False) for j in range(weight_bits))
    first = min(0.5 * lanes * weight_bits * x_bits, sum(row_heights(lanes, x_bits, planes, width)))
    return first + 2 * width * (registers - 1)


def unrolled_product_cost(weight: np.ndarray, x_bits: int) -> tuple[float, float]:
    """(LUT, FF) of a product with a constant matrix ``(K, N)`` that is a pipeline of adders.

    Columns are differences to others, as :func:`hwgen.hw.adder_tree.sum_columns` makes them; nearest
    columns are sought among so many weights only, for beyond them that takes seconds.
    """
    digits = _difference_digits(weight.tobytes(), weight.shape)
    lut = 0.6 * digits * (x_bits + 1.5)
    return lut, 0.18 * lut * product_registers(weight)


@lru_cache(maxsize=1024)
def _difference_digits(data: bytes, shape: tuple[int, ...]) -> int:
    weight = np.frombuffer(data, np.int64).reshape(shape)
    if weight.size > LARGEST_SEARCHED:
        return int(count_digits(weight).sum())
    tree = differences(weight, 3)
    return int(count_digits(tree.matrix).sum()) + sum(p >= 0 for p in tree.parent)


def adder_luts(terms: int, bits: int) -> float:
    """LUTs of a tree that adds ``terms`` values of ``bits`` bits."""
    levels = max(terms - 1, 0).bit_length()
    return sum((terms >> level) * (bits + level) for level in range(1, levels + 1))


def rom_cost(width: int, depth: int) -> tuple[int, float]:
    """(LUT, BRAM) of a read-only memory; a LUT holds one bit of 64 words, or of fewer."""
    if rom_style(width, depth) == "block":
        return 0, max(0.5, math.ceil(width / 36 * max(1.0, depth / 1024) * 2) / 2)
    return width * math.ceil(depth / 64), 0.0


def ram_cost(width: int, depth: int) -> tuple[int, float]:
    """(LUT, BRAM) of a memory with one write and one read port."""
    if depth * width > 4096 and depth >= 128:
        return 0, max(0.5, math.ceil(width / 36 * max(1.0, depth / 1024) * 2) / 2)
    return math.ceil(width / 1.5 * math.ceil(depth / 32)), 0.0


def table_cost(width: int, depth: int) -> tuple[int, float]:
    """(LUT, BRAM) of a read-only memory that is none where it has one word."""
    return rom_cost(width, depth) if depth > 1 else (0, 0.0)


def search_cost(width: int, stages: int, groups: int) -> tuple[float, float, float]:
    """(LUT, FF, BRAM) of a lane's binary search among ``2**stages - 1`` thresholds per channel."""
    roms = [table_cost(width, groups << stage) for stage in range(stages)]
    lut = stages * 0.6 * width + sum(lut for lut, _ in roms)
    return lut, stages * (2 * width + stages / 2), sum(bram for _, bram in roms)


def register_bits(lanes: int, range_: IntRange) -> int:
    """Flip-flops that hold one beat."""
    return lanes * range_.width
