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
        Finding("python", python, "all", ""),
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
        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30,
                                  errors="replace", check=False)  # fmt: skip
            lines = done.stdout.splitlines()
        except (OSError, subprocess.TimeoutExpired):
            lines = []
        found = next((line for line in lines if line.strip()), path).strip()[:60]
    return Finding(name, found, needed_for, "" if found else f"apt install {name}")


def _verilator() -> Finding:
    """The simulator that the testbench itself would take."""
    sys.path.insert(0, str(resource("sim")))
    try:
        from simulator import find_simulator  # type: ignore[import-not-found]

        found = find_simulator()
    except OSError as error:
        found = str(error)
    finally:
        sys.path.pop(0)
    if isinstance(found, str):
        return Finding("verilator", "", "sim", found)
    return Finding("verilator", found.version, "sim", "")
