"""The Verilog that a component becomes: its names, its files, its bytes."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.emit.templates import render, sim_files
from hwgen.emit.verilog import emit
from hwgen.emit.yosys import run_yosys
from hwgen.hw.axi_stream import AxiPort, AxiStreamTop
from hwgen.hw.skid_buffer import SkidBuffer
from hwgen.hw.stream import words
from tests.emit.tiny import Core, tiny_graph, tiny_top

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def emission():
    return emit(tiny_top(tiny_graph(channels=1024, pixels=1), 2), "tiny")


def test_a_file_per_stage_and_one_for_the_top(emission):
    assert sorted(emission.files) == [
        "rtl/hwgen_rom_block.v", "rtl/tiny.v", "rtl/tiny_first.v", "rtl/tiny_second.v",
    ]  # fmt: skip
    assert sorted(emission.memories) == ["mem/first_weights.mem", "mem/second_weights.mem"]
    for path, text in emission.files.items():
        name = Path(path).stem
        assert re.search(rf"^module {name} [#(]", text, re.M), path


def test_only_named_stages_get_files():
    top = tiny_top(tiny_graph(channels=8, pixels=1), 2)
    emission = emit(top, "tiny", about={"first": "Scale, 2 lanes"})
    assert sorted(emission.files) == ["rtl/tiny.v", "rtl/tiny_first.v"]
    assert emission.files["rtl/tiny_first.v"].startswith("// tiny: stage first, Scale, 2 lanes\n")


def test_names_are_plain(emission):
    for text in emission.files.values():
        code = re.sub(r"//.*|\"[^\"]*\"", "", text)
        assert "\\" not in code
        assert not re.search(r"(?<![\w$])\$(?!signed|readmemh|unsigned)\w", code)
        assert "Amaranth" not in text and "Yosys" not in text and "src" not in code


def test_the_boundary_is_axi_stream(emission):
    head = emission.files["rtl/tiny.v"].partition(");")[0]
    ports = dict(re.findall(r"^  (?:in|out)put +(?:wire|reg) (?:\[(\d+):0\] )?(\w+)", head, re.M))
    names = set(re.findall(r"(\w+)(?:,|\n|$)", re.sub(r"//.*", "", head)))
    side = ("tdata", "tvalid", "tready", "tlast")
    assert {"aclk", "aresetn"} <= names
    assert {f"{prefix}_axis_{wire}" for prefix in "sm" for wire in side} <= names
    assert ports["7"] == "s_axis_tdata"  # two lanes of 4 bits
    assert ports["23"] == "m_axis_tdata"  # two lanes of 10 bits in three bytes


class Composite(Component):
    """A stage made of parts, whose streams have the names of its own."""

    def __init__(self):
        self.parts = [SkidBuffer(2, IntRange(0, 9)) for _ in range(3)]
        super().__init__({"i": In(words(2, IntRange(0, 9))), "o": Out(words(2, IntRange(0, 9)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.a, m.submodules.b, m.submodules.c = self.parts
        connect(m, flipped(self.i), self.parts[0].i)
        connect(m, self.parts[0].o, self.parts[1].i)
        connect(m, self.parts[1].o, self.parts[2].i)
        connect(m, self.parts[2].o, flipped(self.o))
        return m


def test_ports_of_a_composite_stage_keep_their_names():
    port = AxiPort("i", 2, IntRange(0, 9), 4), AxiPort("o", 2, IntRange(0, 9), 4)
    text = emit(AxiStreamTop(Core({"x": Composite()}), [port[0]], [port[1]]), "net").files
    head, _, body = text["rtl/net_x.v"].partition(");")
    names = re.findall(r"(\w+)(?=,?\n)", head.partition("(")[2])
    wires = {f"{side}__{wire}" for side in "io" for wire in ("valid", "ready", "payload")}
    assert set(names) == {"clk", "rst", *wires}
    # and they are the ends: the last part drives o, the first reads i
    part = {m[1]: m[0] for m in re.finditer(r"net_x_\w (\w) \(.*?\);", body, re.S)}
    assert ".o__valid(o__valid)" in part["c"] and ".i__valid(i__valid)" in part["a"]
    assert ".o__valid(b_o__valid)" in part["b"] and ".i__valid(b_o__valid)" in part["c"]


class Awkward(Component):
    """Names that Verilog does not take, and blocks without any input."""

    a: In(2)
    b: Out(8)

    def elaborate(self, platform):
        m = Module()
        first, second = Signal(4, name="wire"), Signal(4, name="x.y")
        third, fourth = Signal(4, name="x_y"), Signal(data.ArrayLayout(4, 2), name="pair")
        m.d.sync += [first.eq(first + self.a), second.eq(second ^ first), third.eq(second)]
        m.d.sync += fourth[self.a[0]].eq(third)
        m.d.comb += self.b.eq(Mux(self.a[1], fourth.as_value(), first * second))
        return m


def test_awkward_names_become_plain_and_distinct(tmp_path):
    emission = emit(Awkward(), "awkward")
    text = emission.files["rtl/awkward.v"]
    declared = re.findall(r"^  (?:wire|reg)\b(?: signed)?(?: \[\S+\])? (\w+)", text, re.M)
    assert len(declared) == len(set(declared))
    assert {"wire_2", "wire_2_next", "x_y", "x_y_2", "x_y_2_next"} <= set(declared)
    emission.write(tmp_path)
    run_yosys("read_verilog rtl/awkward.v\nhierarchy -check -top awkward", tmp_path, timeout=60)


def test_verilog_means_what_the_netlist_means(tmp_path):
    """yosys proves the emitted text equal to Amaranth's netlist, name changes aside."""
    from amaranth.back import rtlil

    (tmp_path / "gold.il").write_text(rtlil.convert(Awkward(), name="awkward", emit_src=False))
    emit(Awkward(), "awkward").write(tmp_path)
    script = """
read_rtlil gold.il
rename awkward gold
read_verilog rtl/awkward.v
rename awkward gate
proc
equiv_make gold gate equiv
hierarchy -top equiv
opt -full
equiv_simple -seq 5
equiv_induct -seq 5
equiv_status -assert
"""
    run_yosys(script, tmp_path, timeout=60)
    broken = (tmp_path / "rtl/awkward.v").read_text().replace(" ^ ", " & ")
    (tmp_path / "rtl/awkward.v").write_text(broken)
    with pytest.raises(HwgenError, match="HW602"):
        run_yosys(script, tmp_path, timeout=60)


_DIGEST = """
import hashlib, sys
from hwgen.emit.verilog import emit
from tests.emit.tiny import tiny_graph, tiny_top
emission = emit(tiny_top(tiny_graph(channels=256, pixels=1), 2), "tiny")
digest = hashlib.sha256()
for path in sorted(emission.files):
    digest.update(path.encode() + emission.files[path].encode())
for path in sorted(emission.memories):
    digest.update(path.encode() + str(emission.memories[path].words).encode())
print(digest.hexdigest())
"""


def test_the_same_bytes_everywhere(tmp_path):
    digests = set()
    for seed, cwd in (("0", ROOT), ("1", tmp_path), ("2", Path("/"))):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST], cwd=cwd, env=environment,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        digests.add(done.stdout)
    assert len(digests) == 1
    assert digests != {hashlib.sha256().hexdigest() + "\n"}


def test_a_failing_yosys_is_an_error(tmp_path):
    with pytest.raises(HwgenError, match="HW401"):
        run_yosys("no_such_command", tmp_path, timeout=60, code="HW401")


def test_templates_want_every_field():
    with pytest.raises(KeyError):
        render("constraints/clock.xdc.in", top="x")
    assert "10.000" in render(
        "constraints/clock.xdc.in", top="x", clock_mhz="100", period_ns="10.000"
    )


def test_the_testbench_is_complete():
    assert {"sim/run.py", "sim/tb.sv", "sim/Makefile", "sim/lint.vlt"} <= set(sim_files())
    assert not any("import hwgen" in text or "from hwgen" in text for text in sim_files().values())


def test_what_yosys_started_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "wait.sh").write_text("echo $$ > pid; exec sleep 60")
    with pytest.raises(HwgenError, match="HW603"):
        run_yosys("exec -- sh wait.sh", tmp_path, timeout=5)
    status = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"
