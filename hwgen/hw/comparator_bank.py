"""A staircase per channel by one comparator per step: cheapest for few steps."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import add_tree
from hwgen.hw.staircase import Staircase
from hwgen.hw.stream import element
from hwgen.hw.weight_memory import WeightMemory, pack


class ComparatorBank(Staircase):
    """All thresholds of a channel compared at once; the table is one memory of all lanes."""

    @staticmethod
    def depth_of(steps: int) -> int:  # noqa: ARG004  (the same for any number)
        return 2

    def elaborate(self, platform):
        m = Module()
        step = Signal()
        m.d.comb += [step.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(step)]
        group = self.group_counter(m, step & self.i.valid)
        x, valid = Signal(self.i.payload.shape(), reset_less=True), Signal()
        at = Signal.like(group, name="at", reset_less=True)
        tables = self._tables(m, step, group)
        with m.If(step):
            m.d.sync += [x.eq(self.i.payload), valid.eq(self.i.valid), at.eq(group)]
            m.d.sync += self.o.valid.eq(valid)
        counts: list[Value] = []
        for lane, table in enumerate(tables):
            reached: list[Value] = [x[lane] >= threshold for threshold in table]
            counts.append(add_tree(reached, None) if reached else Const(0, 1))
        with m.If(step & valid):
            for y, result in zip(self.o.payload, self.outputs(counts, at), strict=True):
                m.d.sync += y.eq(result)
        return m

    def _tables(self, m: Module, step: Signal, group: Signal) -> list[list[Value]]:
        """For each lane the thresholds of its present channel, a clock after ``group``."""
        if not self.steps:
            return [[] for _ in range(self.lanes)]
        shape = element(self.x_range | IntRange.of_array(self.thresholds))
        table = self.by_lane(self.thresholds)  # (lanes, groups, steps)
        if self.groups == 1:
            return [[Const(int(t), shape) for t in rows[0]] for rows in table]
        codes = table.swapaxes(0, 1).reshape(self.groups, -1) & ((1 << shape.width) - 1)
        width = shape.width * codes.shape[1]
        m.submodules.table = memory = WeightMemory(
            pack(codes, shape.width), width, self.groups, self.name
        )
        m.d.comb += [memory.en.eq(step), memory.addr.eq(group)]
        fields = [
            memory.data[k * shape.width : (k + 1) * shape.width] for k in range(codes.shape[1])
        ]
        typed = [f.as_signed() if shape.signed else f.as_unsigned() for f in fields]
        return [typed[lane * self.steps : (lane + 1) * self.steps] for lane in range(self.lanes)]
