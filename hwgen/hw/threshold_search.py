"""A staircase per channel by binary search, one step of the search per pipeline stage."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.staircase import Staircase
from hwgen.hw.stream import element
from hwgen.hw.weight_memory import WeightMemory, pack


class ThresholdSearch(Staircase):
    """Stage s finds bit s of the count, the highest first.

    It has one comparator per lane and a memory of ``2^s`` thresholds per channel.
    ``depth = 1 + ceil(log2(J + 1))``.
    """

    @staticmethod
    def depth_of(steps: int) -> int:
        return max(steps.bit_length(), 1) + 1

    @property
    def bits(self) -> int:
        """Bits of the count: stages of the search."""
        return max(self.steps.bit_length(), 1)

    def tables(self) -> list[np.ndarray]:
        """For each stage the thresholds ``(rows, 2^stage)`` that its comparators may meet.

        Rows are padded to ``2^bits - 1`` steps with one that no input reaches.
        """
        never = self.x_range.hi + 1
        full = np.full((len(self.thresholds), (1 << self.bits) - 1), never, dtype=np.int64)
        full[:, : self.steps] = self.thresholds
        return [
            full[:, (1 << (self.bits - 1 - s)) - 1 :: 1 << (self.bits - s)]
            for s in range(self.bits)
        ]

    def elaborate(self, platform):
        m = Module()
        step = Signal()
        m.d.comb += [step.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(step)]
        group = self.group_counter(m, step & self.i.valid)

        x: list[Value] = list(self.i.payload)
        count: list[Value] = [Const(0, 0)] * self.lanes
        valid: Value = self.i.valid
        at: Value = group
        for s, table in enumerate(self.tables()):
            thresholds = self._lookup(m, step, s, table, at, count)
            flag = Signal(name=f"valid_{s}")
            with m.If(step):
                m.d.sync += flag.eq(valid)
            valid, at = flag, self._later(m, step, at, f"group_{s}")
            for lane in range(self.lanes):
                x[lane] = self._later(m, step, x[lane], f"x_{s}_{lane}")
                found = self._later(m, step, count[lane], f"count_{s}_{lane}") if s else Const(0, 0)
                count[lane] = Cat(x[lane] >= thresholds[lane], found)

        with m.If(step):
            m.d.sync += self.o.valid.eq(valid)
        with m.If(step & valid):
            for y, result in zip(self.o.payload, self.outputs(count, at), strict=True):
                m.d.sync += y.eq(result)
        return m

    @staticmethod
    def _later(m: Module, step: Signal, value: Value, name: str) -> Signal:
        register = Signal(value.shape(), name=name, reset_less=True)
        with m.If(step):
            m.d.sync += register.eq(value)
        return register

    def _lookup(self, m: Module, step: Signal, stage: int, table: np.ndarray, at: Value,
                count: list[Value]) -> list[Value]:  # fmt: skip
        """Each lane's threshold at ``stage``, a clock after its address."""
        shape = element(IntRange.of_array(table) | self.x_range)
        results: list[Value] = []
        for lane, content in enumerate(self.by_lane(table)):  # content (groups, 2^stage)
            codes = content.reshape(-1, 1) & ((1 << shape.width) - 1)
            if len(codes) == 1:
                value: Value = Const(int(codes[0, 0]), shape.width)
            else:
                memory = WeightMemory(
                    pack(codes, shape.width), shape.width, len(codes),
                    f"{self.name}_s{stage}_l{lane}",
                )  # fmt: skip
                m.submodules[f"table_{stage}_{lane}"] = memory
                address = Cat(count[lane], at) if self.groups > 1 else count[lane]
                m.d.comb += [memory.en.eq(step), memory.addr.eq(address)]
                value = memory.data
            results.append(value.as_signed() if shape.signed else value.as_unsigned())
        return results
