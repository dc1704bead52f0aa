"""What simulates the netlist of a synthesis: models of the cells that it is made of.

Most come with yosys, and are read where it is installed; block RAMs and some multipliers, of which
it only knows the pins, are ours (``rtl_templates/synth/cells_*.v``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from hwgen.core.errors import fail
from hwgen.emit.templates import template
from hwgen.synth.yosys import TOOLS

_OWN = re.compile(r"\$(?!__).*")  # cells of yosys itself, which it writes as expressions
_MODULE = re.compile(r"^\s*module\s+\\?([^\s(;#]+)", re.M)
_INCLUDE = re.compile(r'^\s*`include\s+"([^"]+)"', re.M)


def yosys_share() -> Path:
    """The folder of yosys' own libraries. Raises HwgenError HW601 without yosys."""
    spec = find_spec("pyosys")
    if spec is None or spec.origin is None:
        fail("HW601", where="yosys", why="the package pyosys is not installed",
             help="pip install pyosys")  # fmt: skip
    return Path(spec.origin).parent / "share"


def write_models(folder: Path, tool: str, cells: Iterable[str]) -> list[Path]:
    """Write our models of a tool's cells to ``folder/cells.v``; returns yosys' files for the rest.

    Ours come first in a simulation, for yosys' files hold some of the same modules, empty. Raises
    HwgenError HW604 for a cell of which there is no model.
    """
    ours = "\n".join(template(path) for path in TOOLS[tool].our_models)
    files = [yosys_share() / path for path in (TOOLS[tool].models,) if path]
    known = set(_MODULE.findall(ours)).union(*map(_modules, files))
    if missing := sorted(kind for kind in {*cells} - known if not _OWN.fullmatch(kind)):
        fail(
            "HW604", where=str(folder), why=f"there is no model of {', '.join(missing)}",
            help="`hwgen sim` simulates the design itself; other tools of `hwgen synth --help` may "
            "have all models",
        )  # fmt: skip
    (folder / "cells.v").write_text(ours, "utf-8", newline="\n")
    return files


def _modules(path: Path) -> set[str]:
    """The modules of a file and of those that it includes."""
    text = path.read_text("utf-8")
    found = set(_MODULE.findall(text))
    return found.union(*(_modules(path.parent / name) for name in _INCLUDE.findall(text)))
