"""A function of each element by a read-only table."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import ceil_log2

from hwgen.core.intrange import IntRange
from hwgen.hw.stream import element, words
from hwgen.hw.weight_memory import WeightMemory, pack


class FunctionTable(Component):
    """``y = table[c, x - x_range.lo]``; a memory for each lane.

    Parameters
    ----------
    x_range, y_range : of inputs and outputs.
    table : int array ``(C, x_range.size)``, or ``(1, ...)`` for all channels alike.
    lanes : divides C.

    Members
    -------
    i : In(words(lanes, x_range))     o : Out(words(lanes, y_range))

    Timing
    ------
    interval = 1 cycle per beat; latency of a beat = 1 cycle: the memory's output is the register.
    """

    def __init__(self, x_range: IntRange, y_range: IntRange, table: np.ndarray, lanes: int) -> None:
        if table.shape[1] != x_range.size or (len(table) > 1 and len(table) % lanes):
            raise ValueError(f"table {table.shape} suits neither {x_range} nor {lanes} lanes")
        self.x_range, self.y_range, self.table, self.lanes = x_range, y_range, table, lanes
        super().__init__({"i": In(words(lanes, x_range)), "o": Out(words(lanes, y_range))})

    @property
    def index_bits(self) -> int:
        """Address bits of an element."""
        return ceil_log2(self.x_range.size)

    @property
    def origin(self) -> int:
        """What is subtracted from x: nothing where the bits of x do for an address."""
        return 0 if self.index_bits >= self.x_range.width else self.x_range.lo

    @property
    def groups(self) -> int:
        """Beats after which the tables repeat."""
        return max(len(self.table) // self.lanes, 1) if len(self.table) > 1 else 1

    def memories(self) -> np.ndarray:
        """The content by lane and address, ``(lanes, groups << index_bits)``."""
        size = 1 << self.index_bits
        full = np.zeros((len(self.table), size), np.int64)
        where = (np.arange(self.x_range.size) + self.x_range.lo - self.origin) % size
        full[:, where] = self.table
        if len(full) == 1:
            return np.broadcast_to(full, (self.lanes, size))
        return full.reshape(self.groups, self.lanes, size).swapaxes(0, 1).reshape(self.lanes, -1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal()
        m.d.comb += [step.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(step)]
        group = Signal(range(self.groups))
        with m.If(step):
            m.d.sync += self.o.valid.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += group.eq(Mux(group == self.groups - 1, 0, group + 1))
        width, shape = self.y_range.width, element(self.y_range)
        for lane, content in enumerate(self.memories()):
            codes = pack((content & ((1 << width) - 1))[:, None], width)
            memory = WeightMemory(codes, width, len(codes), f"table_l{lane}")
            m.submodules[f"table_{lane}"] = memory
            index = (self.i.payload[lane] - self.origin)[: self.index_bits]
            m.d.comb += [memory.en.eq(step), memory.addr.eq(Cat(index, group))]
            y = memory.data.as_signed() if shape.signed else memory.data
            m.d.comb += self.o.payload[lane].eq(y)
        return m
