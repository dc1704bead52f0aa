"""hwgen doctor: find every tool, and say what to install."""

from __future__ import annotations

import argparse

from hwgen.core.codes import OK, TOOL
from hwgen.terminal import Terminal

TEXT = "find every tool, and say what to install"


def add_options(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(_: argparse.Namespace, terminal: Terminal) -> int:
    from hwgen.doctor import examine

    findings = examine()
    rows = [(f.tool, f.found or "missing", f.needed_for, f.remedy) for f in findings]
    terminal.result(
        {f.tool: {"found": f.found, "for": f.needed_for, "remedy": f.remedy} for f in findings},
        table=(("tool", "found", "needed for", "remedy"), rows),
    )
    return TOOL if any(not f.found and f.required for f in findings) else OK
