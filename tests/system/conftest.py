"""One build that the tests of the commands share, and a way to call a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.cli import main
from hwgen.core.codes import CODES
from hwgen.core.resources import resource

sys.path.insert(0, str(resource("sim")))
from simulator import find_simulator

FOUND = find_simulator()
needs_simulator = pytest.mark.skipif(isinstance(FOUND, str), reason=f"no Verilator: {FOUND}")
MODELS = resource("models")
MODEL = MODELS / "digits_mlp_w2a4.onnx"
SHIPPED = sorted(path.stem for path in MODELS.glob("*.onnx"))


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one object on standard output."""
        return json.loads(self.out)


Command = Callable[..., Outcome]


def in_a_process(*words: object, **options: Any) -> Outcome:
    """A command in a process of its own; ``options`` are those of ``subprocess.run``."""
    done = subprocess.run(
        [sys.executable, "-m", "hwgen", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300, **options,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def hwgen(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process."""

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """``hwgen demo`` in an empty folder: the build that it leaves, and what it said."""
    if isinstance(FOUND, str):
        pytest.skip(f"no Verilator: {FOUND}")
    folder = tmp_path_factory.mktemp("demo")
    outcome = in_a_process("demo", "--frames", 6, cwd=folder)
    return folder / "build" / f"demo_{MODEL.stem}", outcome


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 test frames of the model."""
    path = tmp_path_factory.mktemp("frames") / "x.npy"
    with np.load(MODEL.with_suffix(".npz")) as stored:
        np.save(path, stored["x"][:25])
    return path


@pytest.fixture(scope="session")
def built(demo: tuple[Path, Outcome]) -> Path:
    """A build folder that has been simulated."""
    return demo[0]


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """Everything below a folder: contents of files, targets of links, None for a folder."""
    found: dict[str, bytes | str | None] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


Refusal = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def refused(
    hwgen: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Refusal:  # fmt: skip
    """Runs a command that must be refused, in words and as JSON; returns the problems.

    ``code`` says how. Each problem has its four parts, there is no traceback, and nothing is left
    behind: not where the command runs, not in the folder for scratch files.
    """
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.chdir(tmp_path)

    def run(code: str, *words: object, exit: int | None = None) -> list[dict[str, Any]]:  # noqa: A002
        before = tree(tmp_path)
        told, encoded = hwgen(*words), hwgen(*words, "--json")
        assert tree(tmp_path) == before
        assert told.code == encoded.code == (CODES[code].exit if exit is None else exit), told.err
        assert not told.out
        problems = encoded.json()["errors"]
        lines = [line for line in told.err.splitlines() if not line.startswith("[")]
        assert [line for line in lines if line.startswith("error[")] == [
            f"error[{problem['code']}]: {CODES[problem['code']].title}" for problem in problems
        ]
        assert code in {problem["code"] for problem in problems}
        for problem in problems:
            assert all(problem[part] for part in ("where", "why", "help")), problem
        for part in ("  --> ", "   = why: ", "   = help: "):
            assert sum(line.startswith(part) for line in lines) == len(problems)
        assert "Traceback" not in told.err and "Traceback" not in encoded.err
        return problems

    return run
