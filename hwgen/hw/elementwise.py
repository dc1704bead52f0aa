"""Arithmetic on several streams in step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import add_tree
from hwgen.hw.stream import element, words
from hwgen.hw.weight_memory import WeightMemory, pack


class Elementwise(Component):
    """One beat of every input makes one beat of the output, lane by lane.

    A register for the operands, one for the result.

    Parameters
    ----------
    ranges : of each input.     y_range : of the result.     lanes : of every stream.

    Members
    -------
    i0, i1 ... : In(words(lanes, ranges[k]))     o : Out(words(lanes, y_range))

    Timing
    ------
    interval = 1 cycle per beat; latency of a beat = :data:`DEPTH` cycles.
    """

    DEPTH = 2

    def __init__(self, ranges: Sequence[IntRange], y_range: IntRange, lanes: int) -> None:
        self.ranges, self.y_range, self.lanes = tuple(ranges), y_range, lanes
        inputs = {f"i{k}": In(words(lanes, range_)) for k, range_ in enumerate(ranges)}
        super().__init__({**inputs, "o": Out(words(lanes, y_range))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step, fire, valid = Signal(), Signal(), Signal()
        inputs = [getattr(self, f"i{k}") for k in range(len(self.ranges))]
        m.d.comb += [
            step.eq(self.o.ready | ~self.o.valid),
            fire.eq(step & Cat(i.valid for i in inputs).all()),
        ]
        operands = []
        for k, i in enumerate(inputs):
            taken = Signal(i.payload.shape(), name=f"x{k}", reset_less=True)
            m.d.comb += i.ready.eq(fire)
            operands.append(taken)
            with m.If(fire):
                m.d.sync += taken.eq(i.payload)
        results = self.results(m, fire, operands)
        with m.If(step):
            m.d.sync += [valid.eq(fire), self.o.valid.eq(valid)]
        with m.If(step & valid):
            for y, result in zip(self.o.payload, results, strict=True):
                m.d.sync += y.eq(result)
        return m

    @abstractmethod
    def results(self, m: Module, fire: Value, operands: Sequence[Signal]) -> list[Value]:
        """The lanes of the result from the registered operands, taken when ``fire`` was high."""


class Product(Elementwise):
    """``y = x0 * x1``."""

    def results(self, m: Module, fire: Value, operands: Sequence[Signal]) -> list[Value]:
        return [a * b for a, b in zip(*operands, strict=True)]


class WeightedSum(Elementwise):
    """``y = sum_k multipliers[k] * x_k + offsets[c]``.

    ``offsets`` is ``(1,)``, or ``(C,)`` with one for each channel; the lanes divide C.
    """

    def __init__(
        self,
        ranges: Sequence[IntRange],
        y_range: IntRange,
        lanes: int,
        multipliers: Sequence[int],
        offsets: np.ndarray,
    ) -> None:
        if len(multipliers) != len(ranges) or (len(offsets) > 1 and len(offsets) % lanes):
            raise ValueError(
                f"{multipliers!r}, {len(offsets)} channels: no {lanes} lanes of {ranges}"
            )
        self.multipliers, self.offsets = tuple(multipliers), np.asarray(offsets)
        super().__init__(ranges, y_range, lanes)

    def results(self, m: Module, fire: Value, operands: Sequence[Signal]) -> list[Value]:
        offsets = self._offsets(m, fire)
        return [
            add_tree([*(_times(k, x) for k, x in zip(self.multipliers, xs, strict=True)), c], None)
            for *xs, c in zip(*operands, offsets, strict=True)
        ]

    def _offsets(self, m: Module, fire: Value) -> list[Value]:
        """Each lane's constant, a clock after the beat that it is for."""
        range_ = IntRange.of_array(self.offsets)
        if range_.size == 1 or len(self.offsets) == self.lanes:
            full = np.broadcast_to(self.offsets if range_.size > 1 else range_.lo, self.lanes)
            return [Const(int(c), element(range_)) for c in full]
        groups, width = len(self.offsets) // self.lanes, range_.width
        codes = self.offsets.reshape(groups, self.lanes) & ((1 << width) - 1)
        m.submodules.offsets = memory = WeightMemory(
            pack(codes, width), width * self.lanes, groups, "offsets"
        )
        group = Signal(range(groups))
        m.d.comb += [memory.en.eq(fire), memory.addr.eq(group)]
        with m.If(fire):
            m.d.sync += group.eq(Mux(group == groups - 1, 0, group + 1))
        fields = [memory.data.word_select(lane, width) for lane in range(self.lanes)]
        return [field.as_signed() if range_.signed else field for field in fields]


def _times(k: int, x: Value) -> Value:
    if abs(k) == 1:
        return x if k == 1 else -x
    return x * Const(k, element(IntRange(k, k)))
