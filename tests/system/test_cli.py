"""Every command: what it writes, prints and returns."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwgen.cli import main
from hwgen.core.codes import CODES
from tests.frontends.networks import Net
from tests.system.conftest import (
    MODEL,
    MODELS,
    SHIPPED,
    Command,
    Outcome,
    in_a_process,
    needs_simulator,
)
from tests.system.small import save

COMMANDS = (
    "demo",
    "doctor",
    "inspect",
    "build",
    "quantize",
    "train",
    "run",
    "sim",
    "synth",
    "explain",
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# The program as a whole


def test_it_is_a_program() -> None:
    script = Path(sys.executable).with_name("hwgen")
    for words in ([str(script)], [sys.executable, "-m", "hwgen"]):
        done = subprocess.run([*words, "--version"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "hwgen 0.1.0\n", "")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"    {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert f"usage: hwgen {command}" in shown
    assert "--json" in shown


def test_a_reader_that_leaves_is_no_fault() -> None:
    """Standard output and standard error closed at their other end, before anything is written."""
    for side in ("stdout", "stderr"):
        reader, writer = os.pipe()
        os.close(reader)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, side: writer}
        words = ["explain", "HW101"] if side == "stdout" else ["inspect", str(MODEL)]
        done = subprocess.run([sys.executable, "-m", "hwgen", *words], **pipes, check=False)
        os.close(writer)
        assert done.returncode == 0
        assert not done.stderr


def test_characters_that_the_terminal_lacks_are_escaped(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    outcome = in_a_process("inspect", "modèle.onnx", cwd=tmp_path, env=environment)
    assert outcome.code == 2
    assert "mod\\xe8le.onnx" in outcome.err


# demo, doctor, explain, inspect


def test_demo_builds_and_simulates_in_an_empty_folder(demo: tuple[Path, Outcome]) -> None:
    folder, outcome = demo
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("14/14 frames bit-exact")  # 6 at full rate, 6 stalled, 2 reset
    assert "simulating" in outcome.err
    relative = folder.relative_to(folder.parents[1])
    for place in ("rtl", "reports/index.md"):
        assert f"{relative}/{place}" in outcome.out
        assert (folder / place).exists()
    assert [p.name for p in folder.parents[1].iterdir()] == ["build"]


def test_demo_again_reuses_what_is_there(built: Path, hwgen: Command) -> None:
    outcome = hwgen("demo", "--frames", 6, "-o", built, "--json")
    found = outcome.json()
    assert outcome.code == 0
    assert found["reused"] is True
    assert (found["frames"], found["mismatches"]) == (14, 0)
    stated = json.loads((MODELS / "models.json").read_text())[MODEL.stem]
    assert round(found["accuracy"] * stated["frames"]) == stated["correct_integer"]


def test_doctor_finds_what_the_tests_need(hwgen: Command) -> None:
    outcome = hwgen("doctor")
    assert outcome.code == 0
    found = hwgen("doctor", "--json").json()
    assert {"python", "pyosys", "cocotb", "verilator", "g++", "make", "perl"} <= set(found)
    for tool, finding in found.items():
        assert f"\n{tool} " in outcome.out
        assert finding["found"] and not finding["remedy"]


def test_explain_knows_every_code(hwgen: Command) -> None:
    everything = hwgen("explain", "--all")
    assert everything.code == 0
    for code, entry in CODES.items():
        outcome = hwgen("explain", code.lower())
        assert outcome.code == 0
        assert outcome.out.startswith(f"{code}: {entry.title} (exit {entry.exit})\n")
        assert f"## {code}: {entry.title}\n" in everything.out
        assert " ".join(outcome.out.splitlines()[1:]) in " ".join(everything.out.splitlines())
    listed = hwgen("explain", "--all", "--json").json()["codes"]
    assert [entry["code"] for entry in listed] == list(CODES)


@pytest.mark.parametrize("name", SHIPPED)
def test_inspect(name: str, hwgen: Command) -> None:
    outcome = hwgen("inspect", MODELS / f"{name}.onnx")
    found = hwgen("inspect", MODELS / f"{name}.onnx", "--json").json()
    assert outcome.code == 0
    stated = json.loads((MODELS / "models.json").read_text())[name]
    assert found["macs"] == stated["macs"] == sum(layer["macs"] for layer in found["layers"])
    wbits, abits = (int(digit) for digit in (name[-3], name[-1]))
    layers = [layer for layer in found["layers"] if layer["wbits"]]
    assert max(layer["wbits"] for layer in layers) == wbits
    assert {layer["abits"] for layer in layers[1:]} == {abits}
    assert found["interval"]["parallel"] < found["interval"]["serial"]
    assert all(layer["name"] in outcome.out for layer in found["layers"])
    assert str(found["macs"]) in outcome.out


# build


def test_build_goes_to_a_folder_named_after_the_model(
    hwgen: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = hwgen("build", MODEL, "--frames", 2, "--target", "verilog")
    assert outcome.code == 0
    folder = tmp_path / "build" / MODEL.stem
    for path in ("manifest.json", "rtl", "mem", "sim/run.py", "synth/vivado_ooc.tcl",
                 "synth/clock.xdc", "reports/index.md", "graph/graph.json", "folding.json",
                 "model/model.onnx"):  # fmt: skip
        assert (folder / path).exists(), path
    assert (folder / "model/model.onnx").read_bytes() == MODEL.read_bytes()
    assert f"build/{MODEL.stem} written" in outcome.out
    before = contents(folder)
    again = hwgen("build", MODEL, "--frames", 2)
    assert f"build/{MODEL.stem} is up to date" in again.out
    assert contents(folder) == before
    assert [p.name for p in (tmp_path / "build").iterdir()] == [MODEL.stem]


def test_build_notices_what_is_not_up_to_date(hwgen: Command, tmp_path: Path) -> None:
    def build(*more: object) -> dict:
        outcome = hwgen("build", MODEL, "-o", tmp_path / "b", "--frames", 2, "--json", *more)
        assert outcome.code == 0, outcome.out
        return outcome.json()

    assert not build()["reused"]
    assert build()["reused"]
    assert not build("--seed", 3)["reused"]
    assert not build()["reused"]
    (tmp_path / "b/rtl/digits_mlp_w2a4.v").unlink()
    assert not build()["reused"]
    assert (tmp_path / "b/rtl/digits_mlp_w2a4.v").exists()
    folding = tmp_path / "f.json"
    folding.write_text('{"qlinear1": {"simd": 2}}')
    first = build("--folding", folding)
    folding.write_text('{"qlinear1": {"simd": 4}}')
    second = build("--folding", folding)
    assert (first["interval"], second["interval"]) == (2048, 2048)  # qlinear5 is serial in both
    assert not second["reused"]


def test_widths_are_compared_with_the_model(hwgen: Command, tmp_path: Path) -> None:
    base = ("build", MODEL, "--frames", 1, "-o", tmp_path / "b")
    assert hwgen(*base, "--wbits", 2, "--abits", 4).code == 0
    shutil.rmtree(tmp_path / "b")
    for option, bits, nodes in (("--wbits", 3, 0), ("--wbits", 1, 3), ("--abits", 5, 0),
                                ("--abits", 3, 2)):  # fmt: skip
        outcome = hwgen(*base, option, bits, "--json")
        problems = outcome.json()["errors"]
        assert outcome.code == CODES["HW205"].exit
        assert {problem["code"] for problem in problems} == {"HW205"}
        assert len(problems) == max(nodes, 1), "one for each layer that differs"
        assert all(("node `" in p["where"]) == bool(nodes) for p in problems)
        assert not list(tmp_path.iterdir())


def test_interval_and_rate_are_met(hwgen: Command, tmp_path: Path) -> None:
    base = ("build", MODEL, "--frames", 1, "--json", "-o", tmp_path / "b")
    by_cycles = hwgen(*base, "--interval", 500)
    assert by_cycles.code == 0
    assert 250 < by_cycles.json()["interval"] <= 500
    by_rate = hwgen(*base, "--fps", 200_000, "--clock-mhz", 100)
    assert by_rate.json()["reused"] is True, "100 MHz / 200000 per second are 500 cycles"
    slower = hwgen(*base, "--fps", 200_000, "--clock-mhz", 50)
    assert slower.json()["interval"] <= 250
    manifest = json.loads((tmp_path / "b/manifest.json").read_text())
    assert manifest["clock_mhz"] == 50
    assert "20.000" in (tmp_path / "b/synth/clock.xdc").read_text()
    assert max(s["estimate"]["interval"] for s in manifest["stages"]) <= manifest["interval"]


def test_folding_file_makes_the_same_hardware(hwgen: Command, tmp_path: Path) -> None:
    base = ("build", MODEL, "--frames", 2, "-o")
    assert hwgen(*base, tmp_path / "a", "--interval", 300).code == 0
    assert hwgen(*base, tmp_path / "b", "--folding", tmp_path / "a/folding.json").code == 0
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first.keys() == second.keys()
    different = {path for path in first if first[path] != second[path]}
    assert different == {"manifest.json"}  # its key
    keys = [json.loads(files["manifest.json"]).pop("key") for files in (first, second)]
    assert keys[0] != keys[1]


def test_foldings_differ(hwgen: Command, tmp_path: Path) -> None:
    model, intervals = save(tmp_path), []
    for folding in ("serial", "balanced", "parallel"):
        out = tmp_path / folding
        outcome = hwgen("build", model, "--folding", folding, "--frames", 1, "--json", "-o", out)
        (stage,) = outcome.json()["stages"]
        intervals.append(outcome.json()["interval"])
        if folding == "serial":
            assert (stage["pe"], stage["simd"]) == (1, 1)
        if folding == "parallel":
            assert (stage["pe"], stage["simd"]) == (5, 8)
    assert intervals == sorted(intervals, reverse=True)
    assert intervals[0] == 8 * 5 and intervals[-1] == 1


def test_frames_of_the_user_are_simulated(hwgen: Command, tmp_path: Path) -> None:
    x = np.linspace(0, 1, 3 * 64, dtype=np.float32).reshape(3, 64)
    np.save(tmp_path / "x.npy", x)
    outcome = hwgen("build", MODEL, "--frames-file", tmp_path / "x.npy", "-o", tmp_path / "b")
    assert outcome.code == 0
    with np.load(tmp_path / "b/sim/vectors.npz") as stored:
        (name,) = (key for key in stored.files if key.startswith("input:"))
        np.testing.assert_array_equal(stored[name], np.clip(np.rint(x * 16), 0, 15))


# --json


def test_json_is_one_object_whatever_happens(
    built: Path, frames: Path, hwgen: Command, tmp_path: Path
) -> None:
    y = tmp_path / "y.npy"
    calls = {
        ("inspect", MODEL): 0,
        ("inspect", "nowhere.onnx"): 2,
        ("build", MODEL, "-o", tmp_path / "b", "--frames", 1): 0,
        ("build", MODEL, "-o", MODEL): 2,
        ("build", MODEL, "--interval", "many"): 2,
        ("build",): 2,
        ("run", MODEL, "--input", frames, "--output", y): 0,
        ("run", MODEL, "--input", MODEL, "--output", y): 2,
        ("sim", built, "--frames", 1): 0,
        ("sim", tmp_path): 2,
        ("synth", built, "--tool", "vivado"): 2,
        ("demo", "--model", "unknown"): 2,
        ("explain", "HW101"): 0,
        ("explain",): 2,
        ("doctor",): 0,
        ("nothing",): 2,
        (): 2,
    }
    for words, code in calls.items():
        outcome = hwgen(*words, "--json")
        assert outcome.code == code, words
        found = outcome.json()
        assert isinstance(found, dict)
        assert outcome.out.count("\n") == 1
        assert "error[" not in outcome.err
        if code:
            assert found["exit"] == code
            for problem in found["errors"]:
                assert problem["code"] in CODES
                assert all(problem[part] for part in ("title", "where", "why", "help")), words


def two_of_each(folder: Path) -> Path:
    """A model of two inputs and two outputs."""
    net = Net(np.random.default_rng(3))
    a, b = net.quant("a", 0.25, 4), net.quant("b", 0.5, 4)
    weight = net.quant(net.const(net.rng.normal(0, 1, (6, 4))), 0.5, 3)
    y = net.quant(net.node("MatMul", net.node("Add", a, b), weight), 0.5, 5)
    z = net.node("MatMul", b, weight)
    path = folder / "two.onnx"
    path.write_bytes(net.model({"a": (1, 6), "b": (1, 6)}, [y, z]).SerializeToString())
    return path


@needs_simulator
def test_several_inputs_and_outputs(hwgen: Command, tmp_path: Path) -> None:
    model, build = two_of_each(tmp_path), tmp_path / "build"
    rng = np.random.default_rng(0)
    frames = {name: rng.normal(0, 1, (9, 6)).astype(np.float32) for name in "ab"}
    np.savez(tmp_path / "x.npz", **frames)
    hwgen("build", model, "-o", build, "--frames-file", tmp_path / "x.npz")
    results = []
    for target, engine in ((model, "onnx"), (model, "reference"), (build, "rtl")):
        out = tmp_path / f"{engine}.npz"
        hwgen("run", target, "--input", tmp_path / "x.npz", "--output", out, "--engine", engine)
        with np.load(out) as found:
            results.append({name: found[name] for name in found.files})
    assert len(results[0]) == 2
    for name, values in results[0].items():
        np.testing.assert_array_equal(results[1][name], values)
        np.testing.assert_array_equal(results[2][name], values)
