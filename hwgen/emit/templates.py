"""The only reader of ``rtl_templates`` and ``sim``: text that surrounds generated logic."""

from __future__ import annotations

import string

from hwgen.core.resources import resource


def template(path: str) -> str:
    """The text of a file below ``rtl_templates``."""
    return (resource("rtl_templates") / path).read_text("utf-8")


def render(path: str, **values: object) -> str:
    """A template with its ``@{name}`` fields filled in; a field without a value is an error."""
    return _Template(template(path)).substitute({k: str(v) for k, v in values.items()})


def sim_files() -> dict[str, str]:
    """The testbench that every build carries, by path inside the build folder."""
    folder = resource("sim")
    names = sorted(p.name for p in folder.iterdir() if p.suffix in (".py", ".sv", ".md"))
    files = {f"sim/{name}": (folder / name).read_text("utf-8") for name in [*names, "Makefile"]}
    return files | {"sim/lint.vlt": template("lint/hwgen.vlt")}


class _Template(string.Template):
    delimiter = "@"  # "$" belongs to Tcl, make and Verilog
