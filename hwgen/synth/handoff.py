"""Scripts and constraints that carry a build into the tools that implement it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwgen.emit.templates import render
from hwgen.synth.yosys import yosys_files


def write_handoff(build: Path, manifest: dict[str, Any], tool: str = "yosys-xc7") -> list[str]:
    """Write ``synth/vivado_ooc.tcl``, ``clock.xdc``, ``clock.sdc`` and, for ``tool``, ``yosys.ys``
    with what it reads.

    Returns their paths inside ``build``. Every script is meant to be run from the build folder.
    """
    period = 1000 / manifest["clock_mhz"]
    clock = {
        "top": manifest["top"], "clock_mhz": f"{manifest['clock_mhz']:g}",
        "period_ns": f"{period:.3f}",
    }  # fmt: skip
    files = {
        "synth/vivado_ooc.tcl": render("synth/vivado_ooc.tcl.in", top=manifest["top"]),
        "synth/clock.xdc": render("constraints/clock.xdc.in", **clock),
        "synth/clock.sdc": render(
            "constraints/clock.sdc.in", **clock, io_delay_ns=f"{period / 10:.3f}"
        ),
        **yosys_files(build, manifest, tool, stat="synth/stat.json"),
    }
    for path, text in files.items():
        (build / path).parent.mkdir(parents=True, exist_ok=True)
        (build / path).write_text(text, "utf-8", newline="\n")
    return sorted(files)
