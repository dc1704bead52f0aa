"""Read-only memory for weights and tables, whose content never passes through the netlist."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from amaranth.hdl import ClockSignal, Instance, Module, unsigned
from amaranth.lib import memory
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import ceil_log2

Style = Literal["logic", "distributed", "block"]

LOGIC_BITS = 256  # up to here a table is cheaper to read as plain Verilog than as a file
BLOCK_DEPTH = 128  # a LUT6 is a ROM of 64 bits: two of them per bit are still less than a block
BLOCK_BITS = 4096


def rom_style(width: int, depth: int) -> Style:
    """Where a ROM of ``depth`` words of ``width`` bits belongs.

    ``logic``: inline in the Verilog; ``distributed``: a ``.mem`` file, in LUTs; ``block``: a
    ``.mem`` file, in block RAM. Tools left alone put shallow wide ROMs into logic.
    """
    if depth <= 2 or depth * width <= LOGIC_BITS:
        return "logic"
    return "block" if depth >= BLOCK_DEPTH and depth * width >= BLOCK_BITS else "distributed"


def pack(values: np.ndarray, width: int) -> list[int]:
    """Rows of lanes as words: ``(depth, lanes)`` integers, ``width`` bits each, lane 0 lowest.

    Raises ValueError where a value fits neither ``width`` bits of two's complement nor unsigned.
    """
    array = np.asarray(values, np.int64)
    if array.ndim != 2:
        raise ValueError(f"values must be (depth, lanes), not {array.shape}")
    if not 1 <= width <= 64:
        raise ValueError(f"width must be 1..64, not {width}")
    if array.size and not -(1 << (width - 1)) <= array.min() <= array.max() < 1 << width:
        raise ValueError(f"values {array.min()}..{array.max()} do not fit {width} bits")
    words: list[int] = []
    step = max(1, (1 << 24) // max(1, array.shape[1] * width))  # bounds the bits held at once
    for start in range(0, len(array), step):
        chunk = array[start : start + step]
        bits = (chunk[:, :, None] >> np.arange(width)) & 1
        rows = np.packbits(bits.reshape(len(chunk), -1).astype(np.uint8), axis=1, bitorder="little")
        words += [int.from_bytes(row.tobytes(), "little") for row in rows]
    return words


class WeightMemory(Component):
    """A ROM: ``data`` is ``words[addr]`` one cycle after a cycle with ``en``, and is held without.

    Under the simulator of Amaranth, or when small, it is an ordinary memory. When Verilog is
    emitted, the platform takes the words away into a ``.mem`` file and an instance of
    ``hwgen_rom_block`` or ``hwgen_rom_distributed`` remains, so that emission costs the same
    whatever the size.

    Parameters
    ----------
    words: ``depth`` unsigned integers below ``2 ** width``, such as :func:`pack` makes.
    width, depth: bits per word, and words; at least 1 each.

    Members
    -------
    ``en : In(1)``, ``addr : In(ceil(log2(depth)), at least 1)``, ``data : Out(width)``.
    An address of ``depth`` or more reads an undefined word.
    """

    def __init__(
        self,
        words: Iterable[int] | np.ndarray,
        width: int,
        depth: int | None = None,
        name: str = "weights",
    ) -> None:
        self.words = tuple(map(int, words))
        self.width, self.depth, self.name = width, len(self.words), name
        if depth is not None and depth != self.depth:
            raise ValueError(f"{name} has {self.depth} words, depth says {depth}")
        if not self.words or min(self.words) < 0 or max(self.words) >> width:
            raise ValueError(f"{name} must hold words of {width} bits, and at least one")
        super().__init__(
            {
                "en": In(1),
                "addr": In(unsigned(max(1, ceil_log2(self.depth)))),
                "data": Out(unsigned(width)),
            }
        )

    @property
    def style(self) -> Style:
        return rom_style(self.width, self.depth)

    def elaborate(self, platform: Any) -> Module | Instance:
        place = getattr(platform, "place_rom", None)
        if place is not None and self.style != "logic":
            return Instance(
                f"hwgen_rom_{self.style}",
                p_WIDTH=self.width,
                p_DEPTH=self.depth,
                p_ADDR_WIDTH=len(self.addr),
                p_INIT=place(self.words, self.width, self.name),
                i_clk=ClockSignal(),
                i_en=self.en,
                i_addr=self.addr,
                o_data=self.data,
            )
        m = Module()
        m.submodules.mem = mem = memory.Memory(
            shape=unsigned(self.width), depth=self.depth, init=self.words
        )
        port = mem.read_port()
        m.d.comb += [port.en.eq(self.en), port.addr.eq(self.addr), self.data.eq(port.data)]
        return m
