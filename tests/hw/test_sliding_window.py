from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import example, given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.pipeline import Pipeline
from hwgen.hw.sliding_window import SlidingWindow
from hwgen.hw.stream import words
from tests.hw.geometries import CASES, geometries, serial
from tests.hw.harness import check, measure, simulate, to_beats
from tests.hw.strategies import FEW, integers, ranges, seeds

FRAMES = 4


@FEW
@given(geometries(), ranges, seeds)
def test_random_windows(geometry, range_, seed):
    check_windows(geometry, range_, seed)


@pytest.mark.parametrize("geometry", CASES.values(), ids=CASES)
def test_windows(geometry):
    check_windows(geometry, IntRange(-3, 4), 1)


def check_windows(geometry, range_, seed):
    shape, lanes, *rest = geometry
    x = integers(seed, range_, FRAMES, *shape)
    y = serial(x, lanes, *rest)
    check(SlidingWindow(range_, *geometry), to_beats(x, lanes), y, frames=FRAMES, seed=seed)


@FEW
@given(geometries())
def test_every_window_ends_when_the_recurrence_says(geometry):
    shape, lanes, *rest = geometry
    component = SlidingWindow(IntRange(0, 3), *geometry)
    x = integers(0, IntRange(0, 3), FRAMES, *shape)
    y = serial(x, lanes, *rest)
    result = simulate(component, to_beats(x, lanes), expected_beats=len(y))
    ends = result.out_cycles[0].reshape(-1, component.walk.reads)[:, -1]
    np.testing.assert_array_equal(ends, np.ravel(component.frame_ends(FRAMES)))


class Pacer(wiring.Component):
    """Takes ``burst`` beats, then none for ``pause`` cycles."""

    def __init__(self, lanes, range_, burst, pause):
        self.burst, self.pause = burst, pause
        super().__init__({"i": In(words(lanes, range_)), "o": Out(words(lanes, range_))})

    def elaborate(self, platform):
        m = Module()
        phase = Signal(range(self.burst + self.pause))
        takes = Signal()
        m.d.comb += [
            takes.eq(phase < self.burst),
            self.o.valid.eq(self.i.valid & takes),
            self.o.payload.eq(self.i.payload),
            self.i.ready.eq(self.o.ready & takes),
        ]
        with m.If(~takes | (self.i.valid & self.i.ready)):
            m.d.sync += phase.eq(Mux(phase == self.burst + self.pause - 1, 0, phase + 1))
        return m


@FEW
@given(geometries(), st.integers(0, 8))
@example(((2, 4, 1), 1, (1, 1), (3, 1), (1, 1)), 1)  # a lone word waits in the output register
def test_slow_consumer(geometry, pause):
    shape, lanes, *rest = geometry
    window = SlidingWindow(IntRange(0, 3), *geometry)
    pacer = Pacer(lanes, IntRange(0, 3), window.walk.reads, pause)
    x = integers(0, IntRange(0, 3), FRAMES, *shape)
    y = serial(x, lanes, *rest)
    both = Pipeline({"window": window, "pacer": pacer})
    measured = measure(both, to_beats(x, lanes), frames=FRAMES, expected_beats=len(y))
    assert measured == window.paced(window.walk.reads + pause)


@pytest.mark.parametrize(("name", "bound"), [
    ("reader is the slower", "reads"), ("writer is the slower", "frame")
])  # fmt: skip
def test_interval_is_that_of_the_slower_side(name, bound):
    walk = (component := SlidingWindow(IntRange(0, 3), *CASES[name])).walk
    bounds = {"frame": walk.frame, "reads": walk.reads * len(walk.bases)}
    assert bounds[bound] == max(bounds.values())
    assert component.interval >= bounds[bound]
    assert component.interval < sum(bounds.values())  # the two overlap


@pytest.mark.parametrize("lanes", [1, 3])
def test_rows_of_a_steady_image_do_not_starve(lanes):
    """Reader-bound: after the first window of a frame a word is read in every cycle."""
    component = SlidingWindow(IntRange(0, 3), (9, 12, 3), lanes, (3, 3))
    (ends,) = component.frame_ends(1)
    assert {b - a for a, b in pairwise(ends)} == {27 // lanes}


def test_depth_is_a_window_and_the_step_to_the_next_row():
    row, groups = 20 * 4, 4
    span, step = 2 * row + 3 * groups, row - 17 * groups
    assert SlidingWindow(IntRange(0, 3), (9, 20, 4), 1, (3, 3)).depth == span + step
    assert SlidingWindow(IntRange(0, 3), (9, 20, 4), 4, (3, 3)).depth == 64  # 46, rounded up


@pytest.mark.parametrize(("arguments", "message"), [
    (((4, 4, 3), 2, (1, 1)), "lanes must divide 3 channels, not 2"),
    (((4, 4, 3), 1, (5, 1)), r"kernel must fit the image \(4, 4, 3\), not \(5, 1\) pixels"),
    (((4, 4, 3), 1, (2, 2), (1, 1), (1, 4)), "kernel must fit"),
    (((4, 4, 3), 1, (2, 0)), "kernel must be at least 1"),
    (((4, 4, 3), 1, (2, 2), (0, 1)), "stride must be at least 1"),
    (((4, 0, 3), 1, (2, 2)), "shape must be a positive"),
])  # fmt: skip
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SlidingWindow(IntRange(0, 1), *arguments)
