"""Damaged builds, missing tools, interruption, our own faults: told plainly, nothing left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwgen.flow
from hwgen.cli import main
from hwgen.core.codes import BUG, CODES, INTERRUPTED, TOOL
from tests.system.conftest import MODEL, Command, Refusal, in_a_process, tree

# Build folders


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty manifest": lambda b: (b / "manifest.json").write_text(""),
    "half a manifest": lambda b: (b / "manifest.json").write_text('{"schema": 1, "name": "di'),
    "a list": lambda b: (b / "manifest.json").write_text("[1]"),
    "bytes": lambda b: (b / "manifest.json").write_bytes(bytes(range(256))),
    "another program's": lambda b: (b / "manifest.json").write_text('{"name": "app"}'),
    "a later schema": lambda b: edit(b, lambda m: m.update(schema=99)),
    "no outputs": lambda b: edit(b, lambda m: m.pop("outputs")),
    "a stage without a name": lambda b: edit(b, lambda m: m["stages"][0].pop("name")),
    "a port with more": lambda b: edit(b, lambda m: m["inputs"][0].update(colour="red")),
    "stages of words": lambda b: edit(b, lambda m: m.update(stages=["a", "b"])),
    "no manifest": lambda b: (b / "manifest.json").unlink(),
    "no Verilog": lambda b: shutil.rmtree(b / "rtl"),
    "no testbench": lambda b: (b / "sim/run.py").unlink(),
    "no vectors": lambda b: (b / "sim/vectors.npz").unlink(),
    "no graph": lambda b: shutil.rmtree(b / "graph"),
    "no model": lambda b: (b / "model/model.onnx").unlink(),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_builds(
    damage: str, built: Path, frames: Path, refused: Refusal, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "b", ignore=shutil.ignore_patterns("plain-*"))
    DAMAGES[damage](tmp_path / "b")
    for words in (("sim", "b"), ("synth", "b"), ("run", "b", "--input", frames, "--output", "y")):
        (problem,) = refused("HW113", *words)
        assert problem["where"].startswith("b/")


def test_damaged_graphs(built: Path, frames: Path, refused: Refusal, tmp_path: Path) -> None:
    shutil.copytree(built / "graph", tmp_path / "graph")
    old = json.loads((built / "graph/graph.json").read_text())
    for change in ({"version": 0}, {"format": "other"}, {"nodes": []}, {"values": {}}):
        shutil.copytree(built, tmp_path / "b", ignore=shutil.ignore_patterns("plain-*"))
        (tmp_path / "b/graph/graph.json").write_text(json.dumps({**old, **change}))
        (problem,) = refused("HW113", "run", "b", "--input", frames, "--output", "y")
        assert "build the model again" in problem["help"]
        shutil.rmtree(tmp_path / "b")


def test_no_build_at_all(frames: Path, refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere", "/dev/null", "/proc", MODEL):
        for command in ("sim", "synth"):
            (problem,) = refused("HW113", command, folder)
            assert str(folder) in problem["where"]
    refused("HW113", "run", "empty", "--input", frames, "--output", "y")


# Tools


def test_without_a_compiler(built: Path, frames: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "b")
    (tmp_path / "b/sim/result.json").unlink()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = tree(tmp_path)
    environment = {"PATH": "/nowhere", "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1",
                   "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
    rtl = ("--input", frames, "--output", "y", "--engine", "rtl")
    for words in (("sim", "b"), ("run", "b", *rtl), ("run", MODEL, *rtl)):
        outcome = in_a_process(*words, cwd=tmp_path, env=environment)
        assert outcome.code == CODES["HW601"].exit == TOOL, outcome.err
        assert outcome.err.count("error[") == 1
        assert "error[HW601]: tool is missing" in outcome.err
        assert "g++, make, perl not found" in outcome.err
        assert "hwgen doctor" in outcome.err
        assert "Traceback" not in outcome.err
        (tmp_path / "b/sim/result.json").unlink(missing_ok=True)  # `sim` notes every verdict there
        assert tree(tmp_path) == before
    outcome = in_a_process("doctor", "--json", env=environment)
    assert outcome.code == TOOL
    found = outcome.json()
    for tool in ("g++", "make", "perl", "verilator"):
        assert not found[tool]["found"] and found[tool]["remedy"], tool
    assert found["cocotb"]["found"]


def test_without_yosys(refused: Refusal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pyosys.py").write_text("raise ImportError('not for this machine')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (problem,) = refused("HW401", "build", MODEL, "-o", "deep/er/b")
    assert problem["why"] == "pyosys cannot be imported: not for this machine"
    assert "hwgen doctor" in problem["help"]


def test_without_onnxruntime(
    frames: Path, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    words = ("run", MODEL, "--input", frames, "--output", "y.npy", "--engine", "onnx")
    (problem,) = refused("HW601", *words)
    assert "pip install" in problem["help"]


# Faults and interruption


def test_a_fault_of_ours_is_one_message(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a stage\nbroke")

    monkeypatch.setattr(hwgen.flow, "emit", broken)
    (problem,) = refused("HW900", "build", MODEL, "-o", "deep/b")
    assert problem["why"] == "RuntimeError: a stage\nbroke"
    assert CODES["HW900"].exit == BUG == 70
    with pytest.raises(RuntimeError, match="broke"):
        main(["build", str(MODEL), "-o", "deep/b", "--debug"])
    assert not Path("deep").exists()


def test_a_full_disk_is_no_fault_of_ours(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hwgen.flow, "write_vectors", full)
    (problem,) = refused("HW111", "build", MODEL, "-o", "deep/b")
    assert problem["why"] == "No space left on device"


def test_interruption_leaves_nothing(
    hwgen: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("hwgen.flow.write_vectors", interrupted)
        outcome = hwgen("build", MODEL, "-o", "deep/b")
        assert (outcome.code, outcome.out) == (INTERRUPTED, "")
        assert outcome.err.endswith("interrupted\n")
        encoded = hwgen("build", MODEL, "-o", "deep/b", "--json")
        assert encoded.json() == {"errors": [], "exit": INTERRUPTED}
    assert not tree(tmp_path)


def test_control_c_during_a_build(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hwgen", "build", str(MODEL), "--folding", "parallel"]
    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        if "writing Verilog" in line:
            break
    time.sleep(0.5)
    assert any((tmp_path / "build").iterdir()), "it is at work"
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == INTERRUPTED, said
    assert "Traceback" not in said
    assert not tree(tmp_path)


def test_reading_frames_never_runs_code(hwgen: Command, tmp_path: Path) -> None:
    """A pickle that would leave a trace if it were loaded."""

    class Trap:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "trace"),)

    np.save(tmp_path / "x.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=np.array([Trap()], dtype=object))
    for name in ("x.npy", "x.npz"):
        outcome = hwgen("run", MODEL, "--input", tmp_path / name, "--output", tmp_path / "y.npy")
        assert outcome.code == 2 and "HW112" in outcome.err
    assert not (tmp_path / "trace").exists()
