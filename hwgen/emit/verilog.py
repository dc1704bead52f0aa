"""From an Amaranth component to Verilog files: one per stage, in plain names."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import cast

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable
from amaranth.lib.wiring import Component

from hwgen.core.names import RESERVED, identifier
from hwgen.emit.memory_files import mem_text
from hwgen.emit.platform import HwgenPlatform, Rom
from hwgen.emit.rtlil import plain
from hwgen.emit.templates import template
from hwgen.emit.yosys import run_yosys

YOSYS_SECONDS = 600.0

# Registers and case statements stay what they are; operators become assigns.
_SCRIPT = """
read_rtlil netlist.il
proc -nomux -norom
memory_collect
write_verilog netlist.v
"""

_HEADER = """\
// {what}
// Written by hwgen {version}. This file belongs to its user, without any condition of hwgen.
"""


@dataclass(frozen=True, slots=True)
class Emission:
    """What :func:`emit` makes. ``files``: Verilog text by path; ``memories``: ROMs by path."""

    files: Mapping[str, str]
    memories: Mapping[str, Rom]

    def write(self, folder: Path) -> list[str]:
        """Write every file below ``folder``; returns their paths inside it, sorted."""
        paths = sorted([*self.files, *self.memories])
        for path in paths:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            rom = self.memories.get(path)
            text = self.files[path] if rom is None else mem_text(rom.words, rom.width)
            target.write_text(text, "utf-8", newline="\n")
        return paths


def emit(
    component: Component,
    top: str,
    *,
    core: str = "core",
    about: Mapping[str, str] | None = None,
) -> Emission:
    """Verilog-2005 for ``component``, its top module named ``top``.

    Every submodule ``x`` of the top's submodule ``core`` (or, without one, of the top) gets a file
    ``rtl/<top>_x.v`` with all below it; ``rtl/<top>.v`` holds the rest. ``about`` says in one line
    what a submodule is, for the head of its file; where it is given, only what it names gets a
    file. Clock and reset are ``clk`` and ``rst`` unless the component brings its own. The text
    depends on the component alone.

    Raises HwgenError HW401 where yosys fails, HW603 where it takes too long.
    """
    assert top == identifier(top) or top not in RESERVED, f"{top} is no plain name"
    platform = HwgenPlatform()
    text = rtlil.convert(cast(Elaboratable, component), name=top, platform=platform, emit_src=False)
    netlist = plain(text, core=core)
    modules = _modules(_verilog(netlist.text))
    groups: dict[str, list[str]] = {}
    for path, name in netlist.modules.items():
        if name in modules:  # yosys leaves out what is empty
            stage = _stage_of(path, netlist.modules, core)
            if about is not None and stage not in about:
                stage = ""
            groups.setdefault(stage, []).append(modules[name])
    files = {}
    for stage, texts in groups.items():
        name = f"{top}_{stage}" if stage else top
        files[f"rtl/{name}.v"] = _file(top, stage, (about or {}).get(stage, ""), texts)
    for kind in sorted(set(re.findall(r"^  (hwgen_rom_\w+) #", "".join(files.values()), re.M))):
        files[f"rtl/{kind}.v"] = template(f"rtl/{kind}.v")
    memories = {netlist.roms[key]: rom for key, rom in platform.roms.items() if key in netlist.roms}
    return Emission(files, memories)


def _verilog(netlist: str) -> str:
    with tempfile.TemporaryDirectory(prefix="hwgen-") as folder:
        (Path(folder) / "netlist.il").write_text(netlist, "utf-8")
        run_yosys(_SCRIPT, Path(folder), timeout=YOSYS_SECONDS, code="HW401")
        return (Path(folder) / "netlist.v").read_text("utf-8")


def _modules(text: str) -> dict[str, str]:
    """The modules of yosys' Verilog by name, without the marks yosys leaves in them."""
    found = re.findall(r"^module (\w+).*?^endmodule\n", text, re.M | re.S)
    bodies = re.findall(r"^module \w+.*?^endmodule\n", text, re.M | re.S)
    assert len(found) == text.count("\nendmodule\n"), "yosys wrote a module of an unexpected form"
    result = {name: _tidy(body) for name, body in zip(found, bodies, strict=True)}
    for name, body in result.items():
        assert "\\" not in body, f"an escaped name is left in {name}"
    return result


def _tidy(body: str) -> str:
    """Declare ports in the head; drop the switch that starts combinational blocks at time zero.

    yosys lets every ``always @*`` read a constant, so that one without inputs runs at all. A block
    that branches on a signal has inputs; only where one does not, the switch stays.
    """
    body = re.sub(r"^ *\(\* full_case = 32'd1 \*\)\n", "", body, flags=re.M)
    body = re.sub(r"\(32'd(\d+)\)", r"(\1)", body)
    port = re.compile(r"^  (input|output) .*;\n  (wire|reg) (.*);\n", re.M)
    ports = [f"  {way:<6} {kind:<4} {rest}" for way, kind, rest in port.findall(body)]
    head, _, body = port.sub("", body).partition(";\n")
    listed = ",\n".join(ports)
    body = f"{head.partition('(')[0].rstrip()} (\n{listed}\n);\n{body}"
    switch = re.compile(r"^    if \((\\\$auto\$\S+) \) begin end\n", re.M)
    if not (mark := switch.search(body)):
        return body
    blocks = re.split(r"(?=^  always @\* begin\n)", body, flags=re.M)
    for i, block in enumerate(blocks):
        if re.search(r"^\s+(?:if|casez) \([a-z_]", block, re.M | re.I):
            blocks[i] = switch.sub("", block)
    body = "".join(blocks)
    declaration = re.compile(rf"^  reg {re.escape(mark[1])}  = 0;\n", re.M)
    if switch.search(body):
        return body.replace(f"{mark[1]} ", "at_start_")
    return declaration.sub("", body)


def _stage_of(path: str, paths: Mapping[str, str], core: str) -> str:
    """The stage that a module belongs to; empty for the top and its own parts."""
    parts = path.split(".")[1:]
    if f"{path.split('.')[0]}.{core}" in paths:
        return parts[1] if len(parts) > 1 and parts[0] == core else ""
    return parts[0] if parts else ""


def _file(top: str, stage: str, about: str, modules: list[str]) -> str:
    what = f"{top}: stage {stage}" if stage else f"{top}: top"
    header = _HEADER.format(what=f"{what}, {about}" if about else what, version=version("hwgen"))
    return "\n".join([header, *modules])
