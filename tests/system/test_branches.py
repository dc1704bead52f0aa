"""Random networks that fork and join, as hardware: every integer, and the interval promised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwgen import api
from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, source_of
from hwgen.ir import Graph
from hwgen.passes import run_passes
from hwgen.schedule import Design, schedule
from tests.frontends.branches import Branches, random_branches
from tests.schedule.test_branches import run
from tests.system.conftest import needs_simulator

CYCLES = 150  # per frame; networks that take longer are given a faster folding


def lifted(seed: int) -> tuple[Branches, Graph]:
    """Network ``seed``, or the next that is not refused."""
    for again in range(5):
        net = random_branches(np.random.default_rng([seed, again]))
        try:
            return net, run_passes(lift(source_of(net.model)))
        except HwgenError:
            continue
    raise AssertionError("five networks in a row are refused")


def design_of(graph: Graph, seed: int) -> Design:
    """As parallel as can be, or at a random interval that is quick to simulate."""
    fastest, serial = (schedule(graph, folding=f) for f in ("parallel", "serial"))
    if seed % 3 == 0:
        return fastest
    slowest = max(fastest.interval, min(serial.interval, CYCLES))
    rng = np.random.default_rng(seed)
    return schedule(graph, interval=int(rng.integers(fastest.interval, slowest + 1)))


def check(seed: int) -> Design:
    """Equal with and without stalls outside; the interval is the predicted one."""
    design = design_of(lifted(seed)[1], seed)
    assert interval(design) == design.interval
    run(design, 2, stall=0.3)
    return design


def interval(design: Design) -> int:
    """Cycles between the last two frames of the slowest output, once the network is full."""
    frames = 4 + 2 * -(-design.latency // design.interval)
    ends = [cycles.reshape(frames, -1)[:, -1] for cycles in run(design, frames).out_cycles]
    return max(int(at[-1] - at[-2]) for at in ends)


def through_verilog(seed: int, folder: Path) -> dict:
    """An ONNX file, a build folder, cocotb and Verilator: what the simulation reports."""
    net, _ = lifted(seed)
    model = folder / f"net{seed}.onnx"
    model.write_bytes(net.model.SerializeToString())
    folding = ("balanced", "parallel")[seed % 2]
    built = api.build(model, folder / f"build{seed}", folding=folding, frames=8, seed=seed)
    result = api.simulate(built.folder, stall=0.3, seed=seed)
    return {**result, "promised": built.manifest["interval"]}


@pytest.mark.parametrize("seed", range(20))
def test_hardware_equals_the_reference_and_keeps_its_interval(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_a_hundred_more(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@needs_simulator
@pytest.mark.parametrize("seed", range(20))
def test_verilog_equals_the_reference(seed: int, tmp_path: Path) -> None:
    result = through_verilog(seed, tmp_path)
    assert (result["verdict"], result["mismatches"]) == ("equal", 0)
    assert result["interval"] == result["promised"]
