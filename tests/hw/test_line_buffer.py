import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.line_buffer import LineBuffer
from hwgen.hw.stream import words
from tests.hw.harness import simulate
from tests.hw.strategies import FEW, integers, seeds

RANGE = IntRange(-4, 3)


class Above(wiring.Component):
    """A stream of what a line buffer shows above each word."""

    def __init__(self, lanes: int, line: int, taps: int, late: int) -> None:
        self.buffer, self.late = LineBuffer(RANGE, lanes, line, taps, late), late
        super().__init__({"i": In(words(lanes, RANGE)), "o": Out(words(lanes * taps, RANGE))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = self.buffer
        column = Cat(self.i.payload.as_value(), self.buffer.above.as_value())
        column = column[: len(self.buffer.above.as_value())]
        for _ in range(self.late):
            kept = Signal(len(column))
            with m.If(self.i.valid & self.o.ready):
                m.d.sync += kept.eq(column)
            column = kept
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.buffer.column.as_value().eq(column),
            self.buffer.step.eq(self.i.valid & self.o.ready),
            self.o.payload.as_value().eq(self.buffer.above.as_value()),
        ]
        return m


@FEW
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), st.integers(0, 8), seeds,
       st.booleans())  # fmt: skip
def test_shows_the_words_above(lanes, line, taps, late, seed, reset):
    x = integers(seed, RANGE, (taps + 3) * line, lanes)
    y = simulate(
        Above(lanes, line, taps, min(late, line - 1)), x, expected_beats=len(x), stall_in=0.3, stall_out=0.3,
        seed=seed, reset_at=line if reset else None,
    ).output.reshape(len(x), taps, lanes)  # fmt: skip
    for k in range(taps * line, len(x)):
        for tap in range(taps):
            assert y[k, tap].tolist() == x[k - (tap + 1) * line].tolist()


@pytest.mark.parametrize("arguments", [(1, 0, 1), (1, 1, 0)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="line and taps must be at least 1"):
        LineBuffer(RANGE, *arguments)


@pytest.mark.parametrize("late", [-1, 4])
def test_columns_are_kept_for_less_than_a_line(late):
    with pytest.raises(ValueError, match=r"late must be 0\.\.3"):
        LineBuffer(RANGE, 1, 4, 2, late)
