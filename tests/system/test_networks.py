"""Random networks, whole: every integer of the hardware, and every cycle that was promised."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from hwgen import api
from hwgen.emit.core import DataflowCore
from hwgen.frontends import lift, source_of
from hwgen.ir import Graph, execute
from hwgen.passes import run_passes
from hwgen.schedule import Design, schedule
from tests.frontends.networks import random_network
from tests.hw.harness import Result, simulate
from tests.system.conftest import needs_simulator

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


def design_of(graph: Graph, seed: int) -> Design:
    """Parallel, balanced, or at a random interval between the fastest and what is quick to run;
    serial where that is quick.
    """
    if seed % 4 < 2:
        return schedule(graph, folding=("parallel", "balanced")[seed % 4])
    serial, fastest = (schedule(graph, folding=f) for f in ("serial", "parallel"))
    if seed % 4 == 2 and serial.interval <= CYCLES:
        return serial
    slowest = min(serial.interval, max(fastest.interval, CYCLES))
    rng = np.random.default_rng(seed)
    return schedule(graph, interval=int(rng.integers(fastest.interval, slowest + 1)))


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
    design = design_of(graph, seed)
    result = simulated(design, frames, stall_in=0.3, stall_out=0.3, seed=seed)
    (expected,) = execute(graph, frames).values()
    np.testing.assert_array_equal(result.output.reshape(expected.shape), expected)


@pytest.mark.parametrize("seed", range(100, 130))
def test_interval_is_the_predicted_one(seed):
    graph, frames = drawn(seed)
    design = design_of(graph, seed)
    more = {name: np.concatenate([x, x]) for name, x in frames.items()}
    result = simulated(design, more)
    ends = result.out_cycles[0].reshape(2 * FRAMES, -1)[:, -1]
    assert ends[-1] - ends[-2] == design.interval


@needs_simulator
@pytest.mark.parametrize(
    "seed",
    [*range(200, 203), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(203, 233))],
)
def test_verilog_equals_the_reference(seed: int, tmp_path: Path):
    """The whole way: an ONNX file, a build folder, cocotb and Verilator."""
    model = tmp_path / "net.onnx"
    model.write_bytes(random_network(np.random.default_rng(seed)).model.SerializeToString())
    folding = ("balanced", "parallel", "serial")[seed % 3]
    built = api.build(model, tmp_path / "build", folding=folding, frames=12, seed=seed)
    result = api.simulate(built.folder, stall=0.4, seed=seed)
    assert (result["verdict"], result["mismatches"]) == ("equal", 0)
    assert result["frames"] == 12 + 12 + 2
    assert result["interval"] == built.manifest["interval"]
    assert result["latency"] <= built.manifest["latency"]
