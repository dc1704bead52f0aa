"""What the commands print: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from hwgen.core.codes import CODES
from hwgen.core.errors import HwgenError

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]


class Terminal:
    """One command's output. With ``json``, standard output holds one JSON object and no more."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._out = Console(soft_wrap=True, highlight=False, markup=False)
        self._err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        self._start = time.monotonic()

    def progress(self, step: str) -> None:
        """Say what happens now, with the seconds since the start."""
        self._err.print(f"[{time.monotonic() - self._start:5.1f}s] {step}", style="dim")

    def note(self, text: str) -> None:
        self._err.print(text)

    def result(self, data: dict[str, Any], text: str = "", table: Rows | None = None) -> None:
        """The outcome: ``data`` for machines, or ``table`` and ``text`` for people."""
        if self._json:
            sys.stdout.write(json.dumps(data, default=str) + "\n")
            return
        if table:
            head, rows = table
            drawn = Table(*head, box=None, header_style="bold", pad_edge=False)
            for row in rows:
                drawn.add_row(*row)
            self._out.print(drawn)
        if text:
            self._out.print(text)

    def error(self, error: HwgenError) -> None:
        if self._json:
            problems = [problem.as_dict() for problem in error.problems]
            sys.stdout.write(json.dumps({"errors": problems, "exit": error.exit_code}) + "\n")
            return
        for problem in error.problems:
            self._err.print(str(problem))

    def bug(self, error: Exception) -> None:
        """A fault of ours, in one line; ``--debug`` shows where."""
        text = f"{type(error).__name__}: {error}"
        if self._json:
            problem = {"code": "HW900", "title": CODES["HW900"].title, "why": text}
            sys.stdout.write(json.dumps({"errors": [problem], "exit": 70}) + "\n")
            return
        self._err.print(f"error[HW900]: {CODES['HW900'].title}\n   = why: {text}\n"
                        "   = help: run again with --debug and report what it prints")  # fmt: skip
