"""A staircase per channel by a multiplication: clip(first + ((x' * m + b) >> shift))."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hwgen.core.intrange import IntRange
from hwgen.hw.digit_rows import DigitRows, add_row, dropped
from hwgen.hw.line_plan import LinePlan
from hwgen.hw.lines import Lines
from hwgen.hw.stream import element
from hwgen.hw.threshold_search import ThresholdSearch
from hwgen.hw.weight_memory import WeightMemory


@dataclass(eq=False)
class _Lane:
    """One lane's values on their way: registered together at the start of each stage."""

    rows: DigitRows
    x: Value
    count: Value
    total: Value = field(default_factory=lambda: Const(0, 1))
    unit: int = 0  # of the total, as a power of two
    added: int = 0  # rows
    under: Value = field(default_factory=lambda: Const(0, 1))
    over: Value = field(default_factory=lambda: Const(0, 1))
    inexact: Value = field(default_factory=lambda: Const(0, 1))


class MultiplyShift(ThresholdSearch):
    """Stages of a search for the segment, then the line of that segment.

    One adder takes x to the origin of the line; a row of an adder each follows for the digits of m
    (:mod:`hwgen.hw.digit_rows`), one adder for ``first`` where there are several segments, and the
    clip. All constants come from small memories, addressed by segment and group of channels.
    """

    def __init__(self, x_range: IntRange, y_range: IntRange, lines: Lines, *,
                 channels: int, lanes: int, in_dsp: bool = False, name: str = "lines"):  # fmt: skip
        super().__init__(x_range, y_range, lines.breaks, channels=channels, lanes=lanes,
                         base=y_range.lo, name=name)  # fmt: skip
        self.lines, self.plan = lines, LinePlan(lines, channels, lanes, in_dsp)

    @property
    def depth(self) -> int:
        return self.plan.depth

    def elaborate(self, platform):
        m = Module()
        step = Signal()
        m.d.comb += [step.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(step)]
        self._at, self._valid = self.group_counter(m, step & self.i.valid), self.i.valid
        lanes = [
            _Lane(r, x, Const(0, 0)) for r, x in zip(self.plan.rows, self.i.payload, strict=True)
        ]
        for s, table in enumerate(self.tables() if self.lines.segments > 1 else []):
            thresholds = self._lookup(m, step, s, table, self._at, [v.count for v in lanes])
            self._register(m, step, f"search_{s}", lanes)
            for lane, threshold in zip(lanes, thresholds, strict=True):
                lane.count = Cat(lane.x >= threshold, lane.count)

        for t, stage in enumerate(self.plan.stages):
            fields = self._fetch(
                m, step, t, [c for _, constants in stage for c in constants], lanes
            )
            self._register(m, step, f"line_{t}", lanes)
            for lane, values in zip(lanes, fields, strict=True):
                for what, constants in stage:
                    do = getattr(self, f"_{what}")
                    do(m, lane, *(values[name] for name, _ in constants))

        with m.If(step):
            m.d.sync += self.o.valid.eq(self._valid)
        with m.If(step & self._valid):
            for y, lane in zip(self.o.payload, lanes, strict=True):
                m.d.sync += y.eq(self.base + lane.total)
        return m

    def _offset(self, m: Module, lane: _Lane, c: Value, flip: Value, *b: Value) -> None:
        """x' and whether it is out of reach."""
        x = lane.x
        if len(flip):
            wide = Signal(element(self.x_range | IntRange(-1, 0)), name="wide")
            m.d.comb += wide.eq(x)
            x = (wide ^ flip.replicate(len(wide)))[: len(wide)].as_signed()
        origin, selected = Signal(c.shape(), name="chain"), Signal(x.shape(), name="selected")
        moved = IntRange.of_array(self.lines.c) + (self.x_range | -self.x_range)
        moved = Signal(element(IntRange(min(moved.lo, -1) - 1, moved.hi)), name="moved")
        m.d.comb += [origin.eq(c), selected.eq(x), moved.eq(origin + selected)]
        bits = self.lines.bits
        lane.x, lane.under, lane.over = moved[:bits], moved[-1], moved[bits:-1].any()
        if b:
            lane.total = b[0]

    def _row(self, m: Module, lane: _Lane, *fields: Value) -> None:
        """The next row of the lane, if it has one."""
        if lane.added == len(lane.rows.rows):
            return
        row, before, digits = lane.rows.rows[lane.added], lane.total, list(fields)
        if lane.added == 0:
            before = digits.pop(0)
        self._drop(lane, before, row.unit)
        lane.total = add_row(m, row, before, lane.unit, lane.x, digits[0] if digits else None)
        lane.unit, lane.added = row.unit, lane.added + 1

    def _product(self, m: Module, lane: _Lane, factor: Value) -> None:
        lane.total = Signal(len(lane.x) + len(factor), name="product")
        m.d.comb += lane.total.eq(lane.x * factor)

    def _bias(self, m: Module, lane: _Lane, b: Value) -> None:
        total = Signal(len(lane.total) + 1, name="product")
        m.d.comb += total.eq(lane.total + b)
        lane.total = total

    def _drop(self, lane: _Lane, total: Value, unit: int) -> None:
        """Notes whether bits below ``2**unit`` were not all 0, where ties matter."""
        if self.lines.even is not None and unit > lane.unit:
            lane.inexact = lane.inexact | total[: unit - lane.unit].any()

    def _first(self, m: Module, lane: _Lane, first: Value) -> None:
        self._finish(lane)
        total = Signal(element(IntRange(0, self._highest)), name="chain")
        m.d.comb += total.eq(lane.total + first)
        lane.total = total

    @property
    def _highest(self) -> int:
        return max(r.result.hi for r in self.plan.rows) + int(self.lines.first.max())

    def _finish(self, lane: _Lane) -> None:
        self._drop(lane, lane.total, self.lines.shift)
        lane.total = dropped(lane.total, self.lines.shift - lane.unit)
        lane.unit = self.lines.shift

    def _clip(self, m: Module, lane: _Lane) -> None:
        self._finish(lane)
        top, k = self.lines.top, lane.total
        bits = max(top.bit_length(), 1)
        high = k[bits:].any()
        if top + 1 != 1 << bits:
            high = high | (k[:bits] > top)
        if self.lines.even is not None:
            k = k - (~lane.inexact & (k[0] == self.lines.even) & k.any())
        lane.total = Mux(lane.under, 0, Mux(lane.over | high, top, k[:bits]))

    def _register(self, m: Module, step: Value, name: str, lanes: list[_Lane]) -> None:
        """All values of the lanes, a clock later."""
        valid = Signal(name=f"valid_{name}")
        with m.If(step):
            m.d.sync += valid.eq(self._valid)
        self._valid, self._at = valid, self._later(m, step, self._at, f"group_{name}")
        for n, lane in enumerate(lanes):
            for what in ("x", "count", "total", "under", "over", "inexact"):
                value = Value.cast(getattr(lane, what))
                if len(value) and not isinstance(value, Const):
                    setattr(lane, what, self._later(m, step, value, f"chain_{what}_{name}_{n}"))

    def _fetch(self, m: Module, step: Value, stage: int, fields: list[tuple[str, np.ndarray]],
               lanes: list[_Lane]) -> list[dict[str, Value]]:  # fmt: skip
        """The constants of each lane by name, a clock after their address."""
        results: list[dict[str, Value]] = [{} for _ in lanes]
        tables = [(name, self.by_lane(table)) for name, table in fields]
        alone = self.lines.segments > 1  # each lane has a segment of its own
        for part in [[n] for n in range(len(lanes))] if alone else [list(range(len(lanes)))]:
            words, width, stored = np.zeros((self.groups, self.lines.segments), object), 0, []
            for n in part:
                for name, table in tables:
                    shape = element(IntRange.of_array(table))
                    if (table[n] == table[n].flat[0]).all():
                        value = int(table[n].flat[0])
                        results[n][name] = Const(value, shape if value else 0)
                        continue
                    codes = (table[n] & ((1 << shape.width) - 1)).astype(object)
                    words, stored = words + (codes << width), [*stored, (n, name, width, shape)]
                    width += shape.width
            if not width:
                continue
            memory = WeightMemory(
                words.ravel(), width, words.size, f"{self.name}_{stage}_{part[0]}"
            )
            m.submodules[f"constants_{stage}_{part[0]}"] = memory
            address = [lanes[part[0]].count] if alone else []
            address += [self._at] if self.groups > 1 else []
            m.d.comb += [memory.en.eq(step), memory.addr.eq(Cat(*address))]
            for n, name, low, shape in stored:
                value = memory.data[low : low + shape.width]
                results[n][name] = value.as_signed() if shape.signed else value
        return results
