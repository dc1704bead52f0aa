"""What the commands print: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from hwgen.core.codes import BUG, INTERRUPTED
from hwgen.core.errors import HwgenError, Problem

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]


class Terminal:
    """One command's output. With ``json``, standard output holds one JSON object and no more."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a character that it cannot encode is escaped
                stream.reconfigure(errors="backslashreplace")  # type: ignore
        self._start = time.monotonic()

    def progress(self, step: str) -> None:
        """Say what happens now, with the seconds since the start."""
        line = f"[{time.monotonic() - self._start:5.1f}s] {step}"
        dim = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        _write(sys.stderr, f"\x1b[2m{line}\x1b[0m" if dim else line)

    def result(self, data: dict[str, Any], text: str = "", table: Rows | None = None) -> None:
        """The outcome: ``data`` for machines, or ``table`` and ``text`` for people."""
        if self._json:
            _write(sys.stdout, json.dumps(data, default=str))
        else:
            _write(sys.stdout, "\n".join([*([aligned(*table)] if table else []), text]).rstrip())

    def error(self, error: HwgenError) -> None:
        """Every problem: on standard error in words, or as the JSON object."""
        self._errors(error.problems, error.exit_code)

    def bug(self, error: Exception) -> None:
        """A fault of ours, in one line; ``--debug`` shows where."""
        why = f"{type(error).__name__}: {error}"
        help_ = "run again with --debug and report what it prints"
        self._errors((Problem("HW900", where="hwgen", why=why, help=help_),), BUG)

    def interrupted(self) -> None:
        """The user ended the command."""
        if self._json:
            self._errors((), INTERRUPTED)
        else:
            _write(sys.stderr, "interrupted")

    def _errors(self, problems: Sequence[Problem], code: int) -> None:
        if self._json:
            errors = [problem.as_dict() for problem in problems]
            self.result({"errors": errors, "exit": code})
            return
        for problem in problems:
            _write(sys.stderr, str(problem))


def _write(stream: TextIO, line: str) -> None:
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:  # who reads has seen enough; the rest must not fail at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as lines whose columns are as wide as their longest cell."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
