"""Estimates of what stands between stages: buffers, changes of lanes, and the boundary.

LUT6 cells, flip-flops and 36 Kibit blocks as `synth_xilinx` maps what ``emit/core.py`` and
``hw/axi_stream.py`` put there. Widths are in bits, depths in beats of the wider side.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from hwgen.hw.fifo import DISTRIBUTED
from hwgen.lowering.cost import ram_cost


class Area(NamedTuple):
    lut: float
    ff: float
    bram: float = 0.0


def buffer_area(bits: int, depth: int) -> Area:
    """A wire, a register, a skid buffer (two registers, a multiplexer before one) or a queue."""
    if depth <= 2:
        return (Area(0, 0), Area(2, bits + 1), Area(bits + 4, 2 * bits + 2))[depth]
    count = depth.bit_length()
    lut, bram = ram_cost(bits, depth)
    if depth > DISTRIBUTED and not bram:
        return Area(lut + 5 * count, 3 * count + bits)
    return Area(lut + 5 * count, 3 * count, bram)


def converter_area(lanes_from: int, lanes_to: int, bits: int) -> Area:
    """A change of lanes of ``bits`` bits: selected, collected, or through a gearbox."""
    small, large = sorted((lanes_from, lanes_to))
    parts = -(-large // small)
    count = (parts - 1).bit_length()
    if parts == 1:
        return Area(0, 0)
    if large % small == 0 and lanes_to == small:
        return Area(small * bits * -(-(parts - 1) // 3) + count + 2, count)
    if large % small == 0:
        return Area(count + 4, large * bits + count + 1)
    granule = gcd(small, large)
    registers = (small + large - granule) * bits
    level = ((small + large) // granule).bit_length()
    return Area(registers * (1 + -(-lanes_to // granule // 3)) + 6 * level, registers + level)


def port_area(bits: int, beats: int, *, output: bool) -> Area:
    """The skid buffer of a port, and the count of beats that marks a frame's last."""
    skid, count = buffer_area(bits, 2), (beats - 1).bit_length() if output else 0
    return Area(skid.lut + 2 * count, skid.ff + count)
