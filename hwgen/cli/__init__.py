"""The command line: reads options, calls the API, prints, exits.

A command is a module with ``TEXT``, what it does in a line; ``add_options(parser)``; and
``run(options, terminal)``, which may return an exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import hwgen
from hwgen.cli import build, demo, doctor, explain, inspect, quantize, run, sim, synth, train
from hwgen.cli.parser import Parser
from hwgen.core.codes import BUG, INTERRUPTED, OK
from hwgen.core.errors import HwgenError
from hwgen.terminal import Terminal

COMMANDS = (demo, doctor, inspect, build, quantize, train, run, sim, synth, explain)


def parser() -> Parser:
    """All commands with their options."""
    whole = Parser(prog="hwgen", description="From a quantized ONNX model to proven Verilog.")
    whole.add_argument("--version", action="version", version=f"hwgen {hwgen.__version__}")
    subparsers = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        sub = subparsers.add_parser(name, help=command.TEXT, description=command.TEXT)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--debug", action="store_true", help="show the traceback of a fault")
        sub.set_defaults(run=command.run)
        command.add_options(sub)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal = Terminal(json="--json" in words)
    try:
        options = parser().parse_args(words)
        return options.run(options, terminal) or OK
    except HwgenError as error:
        terminal.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        terminal.interrupted()
        return INTERRUPTED
    except Exception as error:
        if "--debug" in words:
            raise
        terminal.bug(error)
        return BUG
