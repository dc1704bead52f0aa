"""Runs yosys scripts in a process of their own: there, an error ends the process."""

from __future__ import annotations

import os
import signal
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
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD], stdin=subprocess.PIPE, text=True, cwd=folder,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            child.communicate(script, timeout=timeout)
        except subprocess.TimeoutExpired:
            fail(
                "HW603", where="yosys", why=f"it ran longer than {timeout:g} seconds",
                help="raise the time limit, or build a smaller design",
            )  # fmt: skip
        finally:
            if child.returncode is None:  # ABC is a process of its own, and must not outlive yosys
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        log.seek(0)
        text = log.read()
    if child.returncode:
        last = [line for line in text.splitlines() if line.strip()][-3:]
        fail(
            code, where="yosys", why=" ".join(last) or f"exit status {child.returncode}",
            help="`hwgen doctor` checks the installation of yosys (package pyosys)",
        )  # fmt: skip
    return text
