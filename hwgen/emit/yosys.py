"""Runs yosys scripts in a process of their own: there, an error ends the process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from hwgen.core.errors import fail

_CHILD = """
import sys
try:
    from pyosys import libyosys as ys
except ImportError as error:
    sys.exit(f"pyosys cannot be imported: {error}")
design = ys.Design()
for line in sys.stdin.read().splitlines():
    if line.strip() and not line.startswith("#"):
        ys.run_pass(line.strip(), design)
"""


def run_yosys(script: str, folder: Path, *, timeout: float, code: str = "HW602") -> str:
    """Run ``script``, one command per line, in ``folder`` and return yosys' log.

    Raises HwgenError: ``code`` if yosys fails or is missing, HW603 after ``timeout`` seconds.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", _CHILD], input=script, text=True, cwd=folder,
                stdout=log, stderr=subprocess.STDOUT, timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            fail(
                "HW603", where="yosys", why=f"it ran longer than {timeout:g} seconds",
                help="raise the time limit, or build a smaller design",
            )  # fmt: skip
        log.seek(0)
        text = log.read()
    if done.returncode:
        last = [line for line in text.splitlines() if line.strip()][-3:]
        fail(
            code, where="yosys", why=" ".join(last) or f"exit status {done.returncode}",
            help="`hwgen doctor` checks the installation of yosys (package pyosys)",
        )  # fmt: skip
    return text
