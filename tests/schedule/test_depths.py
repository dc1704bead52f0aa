"""Link depths: enough that nothing waits for the slowest stage, and not for nothing."""

from dataclasses import replace

import numpy as np
import pytest

from hwgen.emit.core import DataflowCore
from hwgen.ir import Graph
from hwgen.schedule import Design, schedule
from hwgen.schedule.depths import occupancy
from tests.hw.harness import simulate
from tests.schedule.nets import cnn, mlp


def measured_interval(design: Design, frames: int = 5) -> int:
    """Cycles between the ends of the last two frames, nothing outside stalling."""
    core = DataflowCore(design)
    (source,), (sink,) = core.boundary()
    x = np.zeros((frames * source.beats, source.lanes), np.int64)
    result = simulate(core, [x], expected_beats=[frames * sink.beats], watchdog=20000)
    ends = result.out_cycles[0].reshape(frames, -1)[:, -1]
    return int(ends[-1] - ends[-2])


@pytest.mark.parametrize("net", [mlp, cnn])
@pytest.mark.parametrize("interval", [50, 120, 216, 400, 1000])
def test_measured_interval_is_the_predicted_one(net, interval):
    graph: Graph = net()
    fastest = schedule(graph, folding="parallel").interval
    design = schedule(graph, interval=max(interval, fastest))
    assert measured_interval(design) == design.interval


@pytest.mark.parametrize("seed", range(6))
def test_random_layer_sizes(seed):
    rng = np.random.default_rng(seed)
    sizes = tuple(int(rng.choice([4, 6, 8, 12, 24])) for _ in range(4))
    graph = mlp(sizes, bits=int(rng.integers(1, 4)), seed=seed)
    fastest = schedule(graph, folding="parallel").interval
    design = schedule(graph, interval=int(rng.integers(fastest, 150)))
    assert measured_interval(design) == design.interval


def test_without_its_buffers_a_network_is_slower():
    design = schedule(mlp((64, 64, 32, 10)), interval=64)
    assert measured_interval(design) == design.interval
    bare = replace(design, links=tuple(replace(k, depth=min(k.depth, 1)) for k in design.links))
    assert measured_interval(bare) > design.interval


def test_occupancy_counts_what_has_left_and_is_not_yet_taken():
    departed = np.array([0, 1, 2, 10])
    assert occupancy(departed, np.array([5, 6, 7, 11])) == 3
    assert occupancy(departed, np.array([1, 2, 3, 11])) == 2
