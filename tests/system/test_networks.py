"""Random networks, whole: every integer of the hardware, and every cycle that was promised."""

from collections.abc import Mapping

import numpy as np
import pytest

from hwgen.emit.core import DataflowCore
from hwgen.frontends import lift, source_of
from hwgen.ir import Graph, execute
from hwgen.passes import run_passes
from hwgen.schedule import Design, schedule
from tests.frontends.networks import random_network
from tests.hw.harness import Result, simulate

FRAMES = 3
CYCLES = 1500  # networks that take longer per frame are given a faster folding


def drawn(seed: int) -> tuple[Graph, dict[str, np.ndarray]]:
    """A random network as a graph, and frames of integers over the whole range of its input."""
    rng = np.random.default_rng(seed)
    graph = run_passes(lift(source_of(random_network(rng).model)))
    (port,) = graph.inputs
    type_ = graph.type(port.value)
    frames = rng.integers(type_.range.lo, type_.range.hi + 1, (FRAMES, *type_.shape))
    frames[0], frames[1] = type_.range.lo, type_.range.hi
    return graph, {port.value: frames}


def design_of(graph: Graph, rng: np.random.Generator) -> Design:
    """A design at a random interval between the fastest and what is quick to simulate."""
    fastest = schedule(graph, folding="parallel").interval
    slowest = min(schedule(graph, folding="serial").interval, max(fastest, CYCLES))
    return schedule(graph, interval=int(rng.integers(fastest, slowest + 1)))


def simulated(design: Design, frames: Mapping[str, np.ndarray], **options: float) -> Result:
    core = DataflowCore(design)
    (source,), (sink,) = core.boundary()
    (x,) = frames.values()
    return simulate(
        core, [x.reshape(-1, source.lanes)], expected_beats=[len(x) * sink.beats],
        watchdog=40 * CYCLES, **options,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_hardware_equals_the_reference_under_stalls(seed):
    graph, frames = drawn(seed)
    design = design_of(graph, np.random.default_rng(seed))
    result = simulated(design, frames, stall_in=0.3, stall_out=0.3, seed=seed)
    (expected,) = execute(graph, frames).values()
    np.testing.assert_array_equal(result.output.reshape(expected.shape), expected)


@pytest.mark.parametrize("seed", range(100, 130))
def test_interval_is_the_predicted_one(seed):
    graph, frames = drawn(seed)
    design = design_of(graph, np.random.default_rng(seed))
    more = {name: np.concatenate([x, x]) for name, x in frames.items()}
    result = simulated(design, more)
    ends = result.out_cycles[0].reshape(2 * FRAMES, -1)[:, -1]
    assert ends[-1] - ends[-2] == design.interval
