"""Synthesis with yosys, its report, and the scripts for other tools."""

import json

import pytest

from hwgen.core.errors import HwgenError
from hwgen.emit.manifest import read_manifest
from hwgen.emit.yosys import run_yosys
from hwgen.synth.handoff import write_handoff
from hwgen.synth.report import Usage, parse_stat
from hwgen.synth.yosys import TOOLS, synthesize
from tests.emit.tiny import build_tiny


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    build_tiny(folder, channels=2048, pixels=1, lanes=2, frames=1)
    return folder


@pytest.mark.parametrize(("tool", "blocks"), [("yosys-xc7", 0.5), ("yosys-ecp5", 0.5)])
def test_a_large_rom_is_block_ram(build, tool, blocks):
    report = synthesize(build, tool)
    assert report.stages["first"].bram == report.stages["second"].bram == blocks
    assert report.total.lut > 0 and report.total.ff > 50
    for name in ("lut", "ff", "dsp", "carry"):
        assert getattr(report.total, name) == sum(
            getattr(usage, name) for usage in report.stages.values()
        )
    saved = json.loads((build / "synth" / tool / "report.json").read_text())
    assert saved["total"]["lut"] == report.total.lut
    assert saved["flow"] == TOOLS[tool].script(read_manifest(build)["top"])


@pytest.mark.parametrize("tool", TOOLS)
def test_a_small_rom_is_no_block_ram(tmp_path, tool):
    emission = build_tiny(tmp_path, channels=200, pixels=1, lanes=2, frames=1)
    assert "rtl/hwgen_rom_distributed.v" in emission.files
    assert synthesize(tmp_path, tool).total.bram == 0


def test_ice40(build):
    report = synthesize(build, "yosys-ice40")
    assert report.total.cells["SB_RAM40_4K"] >= 4


def test_unknown_tool(build):
    with pytest.raises(HwgenError, match="HW110"):
        synthesize(build, "vivado")


def test_counting_rules():
    usage = Usage.of(
        {"LUT3": 2, "LUT6": 3, "RAM32M": 2, "SRL16E": 1, "FDRE": 4, "FDCE_1": 1, "MUXF7": 9,
         "RAMB36E1": 1, "RAMB18E1": 3, "DSP48E1": 2, "CARRY4": 5, "INV": 7}
    )  # fmt: skip
    assert (usage.lut, usage.ff, usage.bram, usage.dsp, usage.carry) == (14, 5, 2.5, 2, 5)


def test_modules_are_booked_to_their_stages():
    stat = {
        "modules": {
            "\\net": {"num_cells_by_type": {"net_a": 1, "LUT2": 1}},
            "\\net_a": {"num_cells_by_type": {"LUT2": 5, "FDRE": 2}},
        }
    }
    report = parse_stat(json.dumps(stat), "yosys-xc7", {"net_a": "a"})
    assert report.stages["a"].lut == 5 and report.stages[""].lut == 1
    assert report.total.lut == 6 and report.total.ff == 2


def test_handoff_runs_and_names_the_clock(build):
    files = write_handoff(build, read_manifest(build))
    assert files == [
        "synth/clock.sdc", "synth/clock.xdc", "synth/rom_luts.v", "synth/vivado_ooc.tcl",
        "synth/yosys.ys",
    ]  # fmt: skip
    assert "-period 10.000" in (build / "synth/clock.xdc").read_text()
    assert not any("@{" in (build / path).read_text() for path in files)
    run_yosys((build / "synth/yosys.ys").read_text(), build, timeout=120)
    assert "RAMB18E1" in (build / "synth/stat.json").read_text()


def test_not_a_build_folder(tmp_path):
    with pytest.raises(HwgenError, match="HW113"):
        synthesize(tmp_path)
