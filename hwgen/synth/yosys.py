"""Synthesis with yosys: what a build costs on a real device family, before place and route.

ROMs that belong in LUTs are kept from ABC: it builds them from shared decoders of the address, of
several times as many LUTs as the ROM has bits of output. ``rtl_templates/synth/rom_luts.v`` turns
them into LUTs before ABC runs, and hides these from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hwgen.core.errors import fail
from hwgen.emit.manifest import read_manifest
from hwgen.emit.templates import render, template
from hwgen.emit.yosys import run_yosys
from hwgen.synth.report import SynthReport, parse_stat

ROM_LUTS = "synth/rom_luts.v"


def least_area(inputs: int) -> str:
    """The command that maps logic to LUTs of so many inputs, as few as can be, at any depth.

    It does not restructure the logic first, so that what was planned as one LUT becomes one.
    """
    return f"abc -lut {inputs} -script +strash;if,-a,-K,{inputs};mfs2"


@dataclass(frozen=True, slots=True)
class Tool:
    """A flow of yosys. ``synth``: its command; ``ram``, ``luts``: the labels where it maps
    memories and logic; ``cells``: how it turns LUTs into cells; ``inputs``: the largest LUT that it
    has cells for; ``models``: yosys' file of what its cells do, and ``our_models`` of those that it
    leaves out; ``map_luts``: commands that map the logic before it does."""

    synth: str
    ram: str
    cells: str
    inputs: int
    models: str
    our_models: tuple[str, ...] = ()
    luts: str = "map_luts"
    map_luts: tuple[str, ...] = ()

    def script(self, top: str) -> str:
        """All commands, one a line."""
        synth = f"{self.synth} -top {top}"
        parts = [f"{self.ram}:"]
        if self.map_luts:
            parts = [f"{self.ram}:{self.luts}", f"{self.luts}:"]
        runs = [f"{synth} -run {part}" for part in parts]
        return "\n".join([
            f"{synth} -run begin:{self.ram}",
            f"techmap -map {ROM_LUTS} -D LUT_INPUTS={self.inputs} t:$mem_v2 a:rom_style=logic %i",
            runs[0], *self.map_luts, *runs[1:],
            f"techmap -map {ROM_LUTS}", "opt_merge", f"techmap -map {self.cells}", "clean",
        ])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gates:
    """Gates of two inputs, multiplexers and flip-flops of no family; memories stay memories."""

    models: str = ""
    our_models: tuple[str, ...] = ()

    def script(self, top: str) -> str:
        """All commands, one a line."""
        return "\n".join([
            f"synth -flatten -top {top} -run begin:fine", "opt -fast -full", "opt -full", "techmap",
            "opt -fast", "abc -g simple,MUX", "opt -fast", "clean",
        ])  # fmt: skip


_XC7 = Tool("synth_xilinx -family xc7 -flatten -noiopad", "map_memory",
            "+/xilinx/lut_map.v -D LUT_WIDTH=6", 8, "xilinx/cells_sim.v",
            ("synth/cells_ram.v", "synth/cells_xilinx.v"))  # fmt: skip
_ECP5 = Tool("synth_ecp5", "map_ram", "+/lattice/cells_map_trellis.v", 7, "ecp5/cells_sim.v",
             ("synth/cells_ram.v", "synth/cells_ecp5.v"))  # fmt: skip
_ICE40 = Tool("synth_ice40 -device u -dsp", "map_ram", "+/ice40/cells_map.v", 4,
              "ice40/cells_sim.v")  # fmt: skip
_AREA = ("opt_expr -mux_undef -noclkinv", least_area(6))

TOOLS: Mapping[str, Tool | Gates] = {
    "yosys-xc7": _XC7,
    "yosys-xc7-area": replace(_XC7, map_luts=_AREA),
    "yosys-xcup": replace(_XC7, synth=_XC7.synth.replace("xc7", "xcup")),
    "yosys-ecp5": _ECP5,
    "yosys-ice40": _ICE40,
    "yosys-gates": Gates(),
}


def synthesize(build: Path, tool: str = "yosys-xc7", *, timeout: float = 1800.0) -> SynthReport:
    """Synthesise ``build``; writes ``report.json``, ``netlist.v`` and ``yosys.log`` to
    ``synth/<tool>``.

    Every stage keeps its module and is flattened below it, so that what each costs is seen; logic
    is not shared across stages. Raises HwgenError: HW110 for an unknown tool, HW113, HW602 where
    yosys fails, HW603 after ``timeout`` seconds.
    """
    manifest = read_manifest(build)
    folder = build / "synth" / tool
    files = yosys_files(build, manifest, tool, stat=f"synth/{tool}/stat.json")
    folder.mkdir(parents=True, exist_ok=True)
    (build / ROM_LUTS).write_text(files[ROM_LUTS], "utf-8", newline="\n")
    script = f"{files['synth/yosys.ys']}\nwrite_verilog -noattr synth/{tool}/netlist.v"
    log = run_yosys(script, build, timeout=timeout)
    (folder / "yosys.log").write_text(log, "utf-8")
    report = parse_stat(
        (folder / "stat.json").read_text("utf-8"), tool, stage_modules(manifest),
        TOOLS[tool].script(manifest["top"]),
    )  # fmt: skip
    (folder / "report.json").write_text(report.text(), "utf-8")
    return report


def yosys_files(build: Path, manifest: dict[str, Any], tool: str, *, stat: str) -> dict[str, str]:
    """The script of one tool, to be run in ``build``, and what it reads; its counts go to the file
    ``stat``."""
    if tool not in TOOLS:
        fail("HW110", where=tool, why="no such tool", help=f"one of {', '.join(TOOLS)}")
    top = manifest["top"]
    sources = sorted(path.name for path in (build / "rtl").glob("*.v"))
    script = render(
        "synth/yosys.ys.in",
        # -defer: a ROM's file name is known only where it is instantiated
        read="\n".join(f"read_verilog -defer rtl/{name}" for name in sources),
        keep="\n".join(
            f"setattr -mod -set keep_hierarchy 1 {module}" for module in stage_modules(manifest)
        ),
        top=top,
        rom_luts=ROM_LUTS,
        synth=TOOLS[tool].script(top),
        stat=stat,
    )
    return {"synth/yosys.ys": script, ROM_LUTS: template(ROM_LUTS)}


def stage_modules(manifest: dict[str, Any]) -> dict[str, str]:
    """The stage that each module holds, by the module's name."""
    top = manifest["top"]
    return {f"{top}_{s['instance'].split('.')[-1]}": s["name"] for s in manifest["stages"]}
