"""Synthesis with yosys: what a build costs on a real device family, before place and route."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwgen.core.errors import fail
from hwgen.emit.manifest import read_manifest
from hwgen.emit.templates import render
from hwgen.emit.yosys import run_yosys
from hwgen.synth.report import SynthReport, parse_stat

TOOLS: Mapping[str, str] = {
    "yosys-xc7": "synth_xilinx -family xc7 -flatten -noiopad -top {top}",
    "yosys-xcup": "synth_xilinx -family xcup -flatten -noiopad -top {top}",
    "yosys-ecp5": "synth_ecp5 -top {top}",
    "yosys-ice40": "synth_ice40 -device u -dsp -top {top}",
}


def synthesize(build: Path, tool: str = "yosys-xc7", *, timeout: float = 1800.0) -> SynthReport:
    """Synthesise ``build``; writes ``synth/<tool>/report.json`` and ``yosys.log``.

    Every stage keeps its module and is flattened below it, so that what each costs is seen; logic
    is not shared across stages. Raises HwgenError: HW110 for an unknown tool, HW113, HW602 where
    yosys fails, HW603 after ``timeout`` seconds.
    """
    manifest = read_manifest(build)
    folder = build / "synth" / tool
    script = yosys_script(build, manifest, tool, stat=f"synth/{tool}/stat.json")
    folder.mkdir(parents=True, exist_ok=True)
    log = run_yosys(script, build, timeout=timeout)
    (folder / "yosys.log").write_text(log, "utf-8")
    report = parse_stat((folder / "stat.json").read_text("utf-8"), tool, stage_modules(manifest))
    (folder / "report.json").write_text(report.text(), "utf-8")
    return report


def yosys_script(build: Path, manifest: dict[str, Any], tool: str, *, stat: str) -> str:
    """The script of one tool, to be run in ``build``; its counts go to the file ``stat``."""
    if tool not in TOOLS:
        fail("HW110", where=tool, why="no such tool", help=f"one of {', '.join(TOOLS)}")
    top = manifest["top"]
    sources = sorted(path.name for path in (build / "rtl").glob("*.v"))
    return render(
        "synth/yosys.ys.in",
        # -defer: a ROM's file name is known only where it is instantiated
        read="\n".join(f"read_verilog -defer rtl/{name}" for name in sources),
        keep="\n".join(
            f"setattr -mod -set keep_hierarchy 1 {module}" for module in stage_modules(manifest)
        ),
        top=top,
        synth=TOOLS[tool].format(top=top),
        stat=stat,
    )


def stage_modules(manifest: dict[str, Any]) -> dict[str, str]:
    """The stage that each module holds, by the module's name."""
    top = manifest["top"]
    return {f"{top}_{s['instance'].split('.')[-1]}": s["name"] for s in manifest["stages"]}
