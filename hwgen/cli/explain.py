"""hwgen explain: explain an error code."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import asdict

from hwgen.core.codes import CODES
from hwgen.core.errors import did_you_mean, fail
from hwgen.terminal import Terminal

TEXT = "explain an error code"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", help="such as HW201")
    parser.add_argument("--all", action="store_true", help="explain all, as docs/errors.md does")


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    if options.all == bool(options.code):
        fail(
            "HW110",
            where="hwgen explain",
            why="must be given either a code or --all",
            help=f"codes are {', '.join(CODES)}",
        )
    wanted = list(CODES) if options.all else [options.code.upper()]
    if wanted[0] not in CODES:
        fail("HW110", where=options.code, why="no such code",
             help=f"{did_you_mean(wanted[0], CODES)}codes are {', '.join(CODES)}")  # fmt: skip
    entries = [{"code": code, **asdict(CODES[code])} for code in wanted]
    shape = "{code}: {title} (exit {exit})\n{text}"
    text = ""
    if options.all:
        shape = "## {code}: {title}\n\nExit code {exit}. {text}\n"
        text = "# Error codes\n\nWritten by `make docs`; `hwgen explain CODE` prints one.\n\n"
    text += "\n".join(
        shape.format(**entry, text=textwrap.fill(entry["explanation"], 88)) for entry in entries
    )
    terminal.result({"codes": entries} if options.all else entries[0], text.rstrip())
