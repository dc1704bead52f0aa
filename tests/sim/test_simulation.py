"""The shipped testbench on a tiny network: it passes, and each kind of fault is told apart."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hwgen.core.errors import HwgenError
from hwgen.ir.execute import execute
from hwgen.verify.run import run_rtl, simulate
from hwgen.verify.vectors import make_frames
from tests.emit.tiny import build_tiny, tiny_graph

sys.path.insert(0, str(Path(__file__).parents[2] / "sim"))
from simulator import find_simulator

REASON = find_simulator()
pytestmark = pytest.mark.skipif(isinstance(REASON, str), reason=str(REASON))
CHANNELS = 256


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    build_tiny(folder, channels=CHANNELS, pixels=2, lanes=2)
    return folder


@pytest.fixture
def build(good, tmp_path):
    """A copy to break."""
    shutil.copytree(good, tmp_path / "build", ignore=shutil.ignore_patterns("build", "work-*"))
    return tmp_path / "build"


def edit(path, pattern, replacement):
    text, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.S | re.M)
    assert count == 1, f"{pattern} is not in {path.name}"
    path.write_text(text)


def test_equal_and_exact_cycles(good):
    result = simulate(good, stall=0.5, seed=3)
    assert result["verdict"] == "equal"
    assert result["frames"] == 6 + 6 + 2 and result["mismatches"] == 0
    assert result["interval"] == result["expected_interval"] == CHANNELS
    assert result["latency"] == result["expected_latency"] == CHANNELS - 1 + 6
    assert json.loads((good / "sim/result.json").read_text()) == result
    assert not list((good / "sim").glob("work-*"))


def test_second_run_is_not_compiled_again(good):
    simulate(good, frames=1)
    start = time.monotonic()
    result = simulate(good, frames=9, stall=0.0, seed=99)
    assert result["frames"] == 9 + 9 + 2  # stored frames are used over and over
    assert time.monotonic() - start < 10
    assert len(list((good / "sim/build").iterdir())) == 1


def test_seed_decides_the_run(good):
    first, again, other = (simulate(good, frames=2, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first["cycles"] != other["cycles"]


def test_raw_integers(good):
    graph = tiny_graph(channels=CHANNELS, pixels=2)
    (x,), (y,) = graph.inputs, graph.outputs
    frames = make_frames(graph.type(x.value), 3, np.random.default_rng(8))
    got = run_rtl(good, {x.value: frames})
    assert np.array_equal(got[y.value], execute(graph, {x.value: frames})[y.value])


@pytest.mark.parametrize("stage", ["first", "second"])
def test_a_wrong_weight_names_frame_position_and_layer(build, stage):
    memory = build / f"mem/{stage}_weights.mem"
    lines = memory.read_text().splitlines()
    lines[70] = f"{int(lines[70], 16) ^ 0x10:02x}"  # lowest bit of lane 1: channel 141
    memory.write_text("\n".join(lines) + "\n")
    with pytest.raises(HwgenError, match="HW501") as caught:
        simulate(build)
    assert f"first layer that differs is stage {stage}" in str(caught.value)
    result = json.loads((build / "sim/result.json").read_text())
    with np.load(build / "sim/vectors.npz") as arrays:
        expected = arrays["output:second"]
    wrong = result["first_mismatch"]
    assert wrong["position"][1:] == [0, 141]
    assert wrong["expected"] == expected[(wrong["frame"] % 6, *wrong["position"])]
    assert wrong["got"] != wrong["expected"]


def test_misplaced_tlast(build):
    edit(build / "rtl/tiny.v", r"assign m_axis_tlast = .*?;", "assign m_axis_tlast = 1'b0;")
    with pytest.raises(HwgenError, match=r"HW503[\s\S]*TLAST"):
        simulate(build, frames=1)


def test_payload_that_does_not_wait(build):
    edit(
        build / "rtl/tiny.v",
        r"(?<=module tiny_m_axis )(.*?assign _\d+_ = )o__ready \| _\d+_;",
        r"\g<1>1'b1;",
    )
    with pytest.raises(HwgenError, match=r"HW50[13]"):
        simulate(build)
    result = json.loads((build / "sim/result.json").read_text())
    assert result["scenarios"][0]["verdict"] == "equal"  # unseen without stalls
    assert "TREADY was low" in result["why"] or "TVALID fell" in result["why"]


def test_no_progress(build):
    edit(build / "rtl/tiny.v", r"\.o__valid\(m_axis_tvalid\)", ".o__valid()")
    with pytest.raises(HwgenError, match="HW502"):
        simulate(build, frames=1)


def test_a_frame_left_over_by_reset_is_seen(build):
    """A counter that reset does not reach makes the scenario with a reset differ."""
    edit(build / "rtl/tiny_first.v", r"if \(rst\) begin\n\s+addr_next = .*?end\n", "")
    with pytest.raises(HwgenError, match="HW501"):
        simulate(build)
    names = json.loads((build / "sim/result.json").read_text())["scenarios"]
    assert names[-1]["name"] != "back to back"


def test_lint_is_clean(good):
    done = subprocess.run(
        [
            REASON.path, "--lint-only", "-Wall", "--language", "1364-2005", "sim/lint.vlt",
            "--top-module", "tiny", *map(str, sorted((good / "rtl").glob("*.v"))),
        ],
        cwd=good, env={**os.environ, **REASON.environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr


def test_missing_tools_are_named(good, monkeypatch):
    done = subprocess.run(
        [sys.executable, "sim/run.py", "--json"], cwd=good, env={"PATH": "/nowhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 5
    assert "g++" in json.loads(done.stdout)["why"]
