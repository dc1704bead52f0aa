"""The netlist of a synthesis in the place of the design: equal, and a wrong cell is noticed."""

import json
import re

import numpy as np
import pytest

from bench.netlists import write_build
from hwgen import api
from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.hw.fifo import StreamFIFO
from hwgen.synth.netlist import write_models
from hwgen.synth.yosys import TOOLS, synthesize
from hwgen.verify.run import simulate
from tests.emit.tiny import build_tiny
from tests.system.conftest import MODEL, needs_simulator

pytestmark = needs_simulator
CHECKED = ("yosys-xc7", "yosys-ecp5", "yosys-ice40", "yosys-gates")


def run(folder, tool):
    """The result of the netlist that a synthesis left."""
    netlist = folder / "synth" / tool
    cells = json.loads((netlist / "report.json").read_text())["total"]["cells"]
    return simulate(folder, netlist=netlist, cells=write_models(netlist, tool, cells))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("netlist")
    build_tiny(folder, channels=2048, pixels=1, lanes=2, frames=3)
    return folder


def test_equal_with_block_rams_and_a_wrong_cell_is_noticed(tiny):
    emitted = (tiny / "rtl/tiny.v").read_text()
    report = synthesize(tiny, "yosys-ecp5")
    assert report.total.bram == 1
    result = run(tiny, "yosys-ecp5")
    assert result["verdict"] == "equal" and result["frames"] == 4 + 3 + 2
    assert result["interval"] == result["expected_interval"]
    assert result["latency"] == result["expected_latency"]
    netlist = tiny / "synth/yosys-ecp5/netlist.v"
    text = netlist.read_text()
    start = text.index("module tiny_second")
    wrong = re.sub(r"(INITVAL_00\(320'h[0-9a-f]{79})0", r"\g<1>1", text[start:], count=1)
    wrong = wrong if wrong != text[start:] else re.sub(
        r"(INITVAL_00\(320'h[0-9a-f]{79})[1-9a-f]", r"\g<1>0", text[start:], count=1)  # fmt: skip
    netlist.write_text(text[:start] + wrong)
    with pytest.raises(HwgenError, match=r"HW504[\s\S]*stage second"):
        run(tiny, "yosys-ecp5")
    assert (tiny / "rtl/tiny.v").read_text() == emitted
    assert not (tiny / "sim/result.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("tool", CHECKED[:2])
@pytest.mark.parametrize(("channels", "lanes"), [(8192, 1), (4096, 4), (4096, 8), (8192, 16)])
def test_roms_of_every_shape(tool, channels, lanes, tmp_path):
    """4 to 64 bits wide, in block RAMs whose models are ours."""
    build_tiny(tmp_path, channels=channels, pixels=1, lanes=lanes, frames=2)
    assert synthesize(tmp_path, tool).total.bram > 0
    assert run(tmp_path, tool)["verdict"] == "equal"


@pytest.mark.slow
@pytest.mark.parametrize("tool", CHECKED)
@pytest.mark.parametrize(("lanes", "bits", "depth"), [(1, 8, 2048), (2, 16, 1024), (9, 8, 512)])
def test_memories_that_are_written(tool, lanes, bits, depth, tmp_path):
    """A FIFO in block RAM, filled and emptied under stalls."""
    range_ = IntRange.of_bits(bits, signed=True)
    beats = np.random.default_rng(0).integers(range_.lo, range_.hi + 1, (4 * depth, lanes))
    write_build(lambda: StreamFIFO(lanes, range_, depth), beats, beats, 4, tmp_path)
    report = synthesize(tmp_path, tool)
    assert report.total.bram > 0 or tool == "yosys-gates"
    assert run(tmp_path, tool)["verdict"] == "equal"


@pytest.mark.slow
@pytest.mark.parametrize("tool", CHECKED)
def test_a_whole_build(tool, tmp_path):
    built = tmp_path / "build"
    api.build(MODEL, built, frames=3)
    report = api.synthesize(built, tool, check=True, frames=3)
    assert report.check["verdict"] == "equal" and report.check["frames"] >= 8
    saved = json.loads((built / "synth" / tool / "report.json").read_text())
    assert saved["check"] == report.check
    assert (report.total.gates > 0) == (tool == "yosys-gates")
    assert report.total.ff > 0


def test_a_cell_without_a_model_is_named(tmp_path):
    with pytest.raises(HwgenError, match=r"HW604[\s\S]*URAM288"):
        write_models(tmp_path, "yosys-xcup", {"LUT6": 3, "URAM288": 1, "$scopeinfo": 4})
    assert not (tmp_path / "cells.v").exists()


@pytest.mark.parametrize("tool", TOOLS)
def test_models_are_found(tool, tmp_path):
    lut = {"yosys-ice40": "SB_LUT4", "yosys-ecp5": "LUT4", "yosys-gates": "$_AND_"}
    files = write_models(tmp_path, tool, {lut.get(tool, "LUT6"): 1})
    assert all(path.is_file() for path in files)
    assert bool(files) == (tool != "yosys-gates")


def test_frames_belong_to_the_check(tiny):
    with pytest.raises(HwgenError, match="HW110"):
        api.synthesize(tiny, frames=3)
