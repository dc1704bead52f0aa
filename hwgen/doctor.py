"""Finds the tools that hwgen uses and says what to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from hwgen.core.resources import resource


@dataclass(frozen=True, slots=True)
class Finding:
    """One tool. ``found``: its version, or "" where it is missing."""

    tool: str
    found: str
    needed_for: str
    remedy: str
    required: bool = True


def examine() -> list[Finding]:
    """Every tool, in the order in which a user meets them."""
    python = ".".join(map(str, sys.version_info[:3]))
    return [
        Finding("python", python if sys.version_info >= (3, 11) else "", "all", "Python 3.11 or later"),
        _package("pyosys", "build, synth"),
        _package("cocotb", "sim"),
        _verilator(),
        _program("g++", "sim"),
        _program("make", "sim"),
        _program("perl", "sim"),
        _package("onnxruntime", "run --engine onnx", required=False),
    ]


def _package(name: str, needed_for: str, required: bool = True) -> Finding:
    try:
        found = version(name)
    except PackageNotFoundError:
        found = ""
    return Finding(name, found, needed_for, "" if found else f"pip install {name}", required)


def _program(name: str, needed_for: str) -> Finding:
    path = shutil.which(name)
    found = ""
    if path:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        found = next((line for line in done.stdout.splitlines() if line.strip()), path).strip()[:60]
    return Finding(name, found, needed_for, "" if found else f"apt install {name}")


def _verilator() -> Finding:
    """The simulator that the testbench itself would take."""
    sys.path.insert(0, str(resource("sim")))
    try:
        from simulator import find_simulator  # type: ignore[import-not-found]

        found = find_simulator()
    finally:
        sys.path.pop(0)
    ok = not isinstance(found, str)
    return Finding("verilator", str(found) if ok else "", "sim", "" if ok else str(found))
