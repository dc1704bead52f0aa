import pytest
from amaranth.hdl import Module
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

    def __init__(self, lanes: int, line: int, taps: int) -> None:
        self.buffer = LineBuffer(RANGE, lanes, line, taps)
        super().__init__({"i": In(words(lanes, RANGE)), "o": Out(words(lanes * taps, RANGE))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = self.buffer
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.buffer.x.eq(self.i.payload),
            self.buffer.step.eq(self.i.valid & self.o.ready),
            self.o.payload.as_value().eq(self.buffer.above.as_value()),
        ]
        return m


@FEW
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), seeds, st.booleans())
def test_shows_the_words_above(lanes, line, taps, seed, reset):
    x = integers(seed, RANGE, (taps + 3) * line, lanes)
    y = simulate(
        Above(lanes, line, taps), x, expected_beats=len(x), stall_in=0.3, stall_out=0.3,
        seed=seed, reset_at=line if reset else None,
    ).output.reshape(len(x), taps, lanes)  # fmt: skip
    for k in range(taps * line, len(x)):
        for tap in range(taps):
            assert y[k, tap].tolist() == x[k - (tap + 1) * line].tolist()


@pytest.mark.parametrize("arguments", [(1, 0, 1), (1, 1, 0)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="line and taps must be at least 1"):
        LineBuffer(RANGE, *arguments)
