"""The harness must see what it claims to see: each broken stream here breaks one rule."""

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.skid_buffer import SkidBuffer
from hwgen.hw.stream import words
from tests.hw.harness import check, from_beats, measure, simulate, to_beats

RANGE = IntRange(-4, 3)
BEATS = np.arange(24).reshape(12, 2) % 8 - 4


class Faulty(wiring.Component):
    """A wire with one fault."""

    interval, latency = 1, 0

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__({"i": In(words(2, RANGE)), "o": Out(words(2, RANGE))})

    def elaborate(self, platform):
        m = Module()
        i, o, count = self.i, self.o, Signal(4)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [o.valid.eq(i.valid), o.payload.eq(i.payload), i.ready.eq(o.ready)]
        match self.fault:
            case "waits":
                m.d.comb += o.valid.eq(i.valid & o.ready)
            case "follows":
                m.d.comb += o.payload[0].eq(i.payload[0] ^ o.ready)
            case "falls":
                m.d.comb += o.valid.eq(i.valid & (count != 5))
            case "changes":
                m.d.comb += o.payload[1].eq(i.payload[1] ^ (count == 5))
            case "repeats":
                m.d.comb += i.ready.eq(o.ready & (count != 5))
            case "dies":
                m.d.comb += [i.ready.eq(o.ready & ~count[3]), o.valid.eq(i.valid & ~count[3])]
                m.d.sync += count.eq(count + ~count[3])
            case "remembers":  # survives the reset
                parity = Signal(reset_less=True)
                with m.If(i.valid & o.ready):
                    m.d.sync += parity.eq(~parity)
                m.d.comb += o.payload[0].eq(Mux(parity, i.payload[0], 0))
        return m


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("waits", "valid of o in cycle 0 depends on ready"),
        ("follows", "payload of o in cycle 0 depends on ready"),
        ("falls", "fell before the beat moved"),
        ("changes", "changed before the beat moved"),
        ("repeats", "offers more than 12 beats"),
        ("dies", "no progress for 51 cycles, at cycle .*: i 8 of 12, o 8 of 12"),
    ],
)
def test_fault_is_found(fault, message):
    stall = 0.8 if fault in ("falls", "changes") else 0.0
    with pytest.raises(AssertionError, match=message):
        simulate(Faulty(fault), BEATS, expected_beats=12, stall_out=stall, watchdog=50)


def test_state_that_survives_a_reset_is_found():
    component = Faulty("remembers")
    fine = simulate(component, BEATS, expected_beats=12).output
    again = simulate(component, BEATS, expected_beats=12, reset_at=4).output
    assert not np.array_equal(fine, again)


def test_wrong_timing_and_wrong_data_are_found():
    component = Faulty("none")
    check(component, BEATS, BEATS, frames=12)
    component.latency = 1
    with pytest.raises(AssertionError, match="as measured"):
        check(component, BEATS, BEATS, frames=12)
    with pytest.raises(AssertionError, match="not equal"):
        check(component, BEATS, BEATS[::-1], frames=12)


def test_stimulus_must_fit():
    with pytest.raises(ValueError, match="does not fit 3 bits"):
        simulate(Faulty("none"), BEATS + 1, expected_beats=12)
    with pytest.raises(ValueError, match="i has 2 lanes"):
        simulate(Faulty("none"), BEATS.reshape(-1, 3), expected_beats=12)


def test_cycles_and_timing():
    result = simulate(SkidBuffer(2, RANGE), BEATS, expected_beats=12)
    np.testing.assert_array_equal(result.in_cycles[0], np.arange(12))
    np.testing.assert_array_equal(result.out_cycles[0], np.arange(1, 13))
    assert measure(SkidBuffer(2, RANGE), BEATS, frames=3, expected_beats=12) == (4, 4)


def test_beats_of_frames_and_back():
    frames = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert to_beats(frames, 2)[0].tolist() == [0, 1]
    np.testing.assert_array_equal(from_beats(to_beats(frames, 2), (3, 4)), frames)
