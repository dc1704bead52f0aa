"""Runs the simulation of a build folder: the same files, by the same command, as its user has."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.core.errors import fail


def simulate(
    build: Path,
    *,
    frames: int | None = None,
    stall: float = 0.3,
    seed: int = 1,
    waves: bool = False,
    netlist: Path | None = None,
    cells: Sequence[Path] = (),
    timeout: float = 3600.0,
) -> dict[str, Any]:
    """Run ``sim/run.py`` and return its result; ``verdict`` is ``equal`` if all is well.

    ``netlist``: a folder whose Verilog is simulated instead of the design, with the models
    ``cells``. Raises HwgenError: HW501 for a mismatch, HW504 for one of a netlist, HW503 for a
    broken protocol, HW502 for a design that is stuck, HW601 without a simulator, HW603 after
    ``timeout`` seconds. The result of a mismatch is in ``sim/result.json`` of the build, or in
    ``result.json`` of ``netlist``.
    """
    options = ["--stall", str(stall), "--seed", str(seed)]
    options += ["--frames", str(frames)] if frames else []
    options += ["--waves"] if waves else []
    if netlist:
        options += ["--netlist", str(netlist.resolve()), "--cells", *map(str, cells)]
    result = _run(build, options, timeout)
    _raise_unless_well(build, result, netlist)
    return result


def run_rtl(
    build: Path, frames: Mapping[str, np.ndarray], *, timeout: float = 3600.0
) -> dict[str, np.ndarray]:
    """The integers that the Verilog makes of ``frames``, ``(N, *shape)`` by input value.

    Returns them by output value. Raises as :func:`simulate` does.
    """
    with tempfile.TemporaryDirectory(prefix="hwgen-") as folder:
        source, sink = Path(folder, "x.npz"), Path(folder, "y.npz")
        np.savez(source, **{k: np.asarray(v, np.int64) for k, v in frames.items()})  # type: ignore[arg-type]
        result = _run(build, ["--input", str(source), "--output", str(sink)], timeout)
        _raise_unless_well(build, result)
        with np.load(sink, allow_pickle=False) as arrays:
            return dict(arrays.items())


def _run(build: Path, options: list[str], timeout: float) -> dict[str, Any]:
    script = build.resolve() / "sim" / "run.py"
    if not script.is_file():
        fail("HW113", where=str(build), why="it has no sim/run.py", help="build it again")
    done = subprocess.run(
        [sys.executable, str(script), "--json", "--timeout", str(timeout), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        why = (done.stderr or done.stdout)[-300:]
        fail("HW602", where=str(script), why=why or f"exit status {done.returncode}")


def _raise_unless_well(build: Path, result: dict[str, Any], netlist: Path | None = None) -> None:
    verdict, why = result["verdict"], result.get("why") or ""
    codes = {
        "mismatch": "HW504" if netlist else "HW501", "protocol": "HW503", "stuck": "HW502",
        "tool": "HW601", "timeout": "HW603",
    }  # fmt: skip
    if verdict not in codes:
        return
    if wrong := result.get("first_mismatch"):
        why = _fields(wrong)
        if layer := result.get("first_layer"):
            why += f"; the first layer that differs is {_fields(layer)}"
    fail(
        codes[verdict], where=str(netlist or build), why=why,
        help="`hwgen doctor` says what to install" if verdict == "tool"
        else "the whole result is in its result.json; `hwgen sim` simulates the design itself"
        if netlist else "the whole result is in sim/result.json; --waves records the signals",
    )  # fmt: skip


def _fields(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)
