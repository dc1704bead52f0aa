"""Forks and joins: no deadlock, no lost cycle, every integer right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.emit.core import DataflowCore
from hwgen.ir import execute
from hwgen.schedule import Design, schedule
from tests.hw.harness import Result, simulate, timing
from tests.schedule import branching

NAMED = [
    branching.residual, branching.resnet, branching.inception, branching.unet,
    branching.squeeze_excite, branching.split, branching.transposed, branching.two_inputs,
    branching.two_outputs, branching.double, branching.frames_apart,
]  # fmt: skip


def run(design: Design, frames: int, stall: float = 0.0) -> Result:
    """Streams random frames through a design; every output must be the reference's."""
    graph, rng = design.graph, np.random.default_rng(frames)
    types = {port.value: graph.type(port.value) for port in graph.inputs}
    x = {n: rng.integers(t.range.lo, t.range.hi + 1, (frames, *t.shape)) for n, t in types.items()}
    y = execute(graph, x)
    core = DataflowCore(design)
    inputs, outputs = core.boundary()
    lanes = {port.value: at.lanes for port, at in zip(graph.inputs, inputs, strict=True)}
    result = simulate(
        core,
        [x[name].reshape(-1, n) for name, n in lanes.items()],
        expected_beats=[frames * at.beats for at in outputs],
        stall_in=stall, stall_out=stall, watchdog=20000,
    )  # fmt: skip
    for port, beats in zip(graph.outputs, result.outputs, strict=True):
        np.testing.assert_array_equal(beats.reshape(y[port.value].shape), y[port.value])
    return result


def check(design: Design) -> None:
    """The interval is the predicted one, the latency no more; stalls outside change no integer."""
    interval, latency = timing(run(design, 6), 6)
    assert interval == design.interval
    assert latency <= design.latency + sum(link.depth > 0 for link in design.links)
    run(design, 2, stall=0.3)


@pytest.mark.parametrize("folding", ["balanced", "parallel"])
@pytest.mark.parametrize("graph", NAMED, ids=lambda graph: graph.__name__)
def test_named_graphs(graph, folding):
    check(schedule(graph(), folding=folding))


def test_one_product_at_a_time():
    check(schedule(branching.squeeze_excite(), folding="serial"))


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([1, 1.3, 3]))
def test_random_graphs(seed, slack):
    graph = branching.random_graph(seed)
    fastest = schedule(graph, folding="parallel").interval
    check(schedule(graph, interval=int(fastest * slack)))


def test_a_collected_word_that_waits_does_not_hold_up_the_next():
    design = schedule(branching.gathered(), interval=64)
    (link,) = [k for k in design.links if (k.value, k.consumer) == ("x", "concat")]
    assert (link.lanes_from, link.lanes_to) == (2, 16)
    assert timing(run(design, 14), 14)[0] == design.interval


def test_without_its_buffers_a_join_deadlocks():
    design = schedule(branching.squeeze_excite(), folding="parallel")
    bare = replace(design, links=tuple(replace(k, depth=min(k.depth, 2)) for k in design.links))
    with pytest.raises(AssertionError, match="no progress"):
        run(bare, 2)


def test_with_half_its_buffer_a_short_way_loses_cycles():
    design = schedule(branching.residual(), folding="parallel")
    shallow = [
        replace(k, depth=k.depth // 2) if (k.value, k.consumer) == ("x", "add") else k
        for k in design.links
    ]
    assert timing(run(replace(design, links=tuple(shallow)), 6), 6)[0] > design.interval


def test_buffers_hold_as_many_frames_as_are_under_way():
    design = schedule(branching.frames_apart(), folding="serial")
    (link,) = [k for k in design.links if (k.value, k.consumer) == ("x", "add")]
    assert link.depth > 6 * 32  # six transposes, each of which waits for a whole frame


def test_a_stream_that_keeps_pace_needs_no_queue():
    """Two-entry slices between stages of one beat per cycle, and wires behind MAC arrays."""
    design = schedule(branching.double(), folding="parallel")
    assert {link.depth for link in design.links} <= {0, 2}
