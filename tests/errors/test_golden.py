"""Every error code once, as a user meets it: ``<CODE>.txt`` holds the exact words.

``pytest tests/errors --update-golden`` writes the files anew; a code without one fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from hwgen import api
from hwgen.cli import main
from hwgen.core.codes import CODES
from hwgen.core.resources import resource
from hwgen.emit import verilog
from hwgen.synth import netlist
from tests.frontends.networks import Net
from tests.hostile.corpus import around, cnn, hazards, mlp

HERE = Path(__file__).parent
HAZARDS = {each.name: each for each in hazards()}
Occurrence = Callable[[pytest.MonkeyPatch], list[str]]  # sets the scene in the current folder
OCCURRENCES: dict[str, Occurrence] = {}


def occurs(code: str) -> Callable[[Occurrence], Occurrence]:
    def register(occurrence: Occurrence) -> Occurrence:
        OCCURRENCES[code] = occurrence
        return occurrence

    return register


def save(model: ModelProto | bytes, name: str = "net.onnx") -> str:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    Path(name).write_bytes(content)
    return name


def inspected(code: str, hazard: str) -> None:
    """A file of the hostile corpus, inspected."""

    def occurrence(_: pytest.MonkeyPatch) -> list[str]:
        return ["inspect", save(HAZARDS[hazard].make())]

    OCCURRENCES[code] = occurrence


OCCURRENCES["HW101"] = lambda _: ["inspect", "nowhere.onnx"]
inspected("HW102", "text")
inspected("HW103", "dangling")
inspected("HW104", "scale_zero")
inspected("HW105", "input_symbolic")
inspected("HW106", "constant_of_shape_2_32")
OCCURRENCES["HW110"] = lambda _: ["build", save(mlp()), "--frames", "0", "--folding", "fast"]
inspected("HW201", "unknown_operator")
inspected("HW202", "if")
inspected("HW203", "output_is_the_input")
OCCURRENCES["HW113"] = lambda _: ["sim", "."]
OCCURRENCES["HW205"] = lambda _: ["build", save(mlp()), "--wbits", "2"]
OCCURRENCES["HW310"] = lambda _: ["build", save(cnn()), "--interval", "1"]


@occurs("HW111")
def _(_: pytest.MonkeyPatch) -> list[str]:
    Path("out").mkdir()
    Path("out", "thesis.tex").write_text("years of work")
    return ["build", save(mlp()), "-o", "out"]


@occurs("HW112")
def _(_: pytest.MonkeyPatch) -> list[str]:
    np.save("x.npy", np.zeros((5, 7), np.float32))
    return ["run", save(mlp()), "--input", "x.npy", "--output", "y.npy"]


@occurs("HW204")
def _(_: pytest.MonkeyPatch) -> list[str]:
    def build(net: Net, x: str) -> str:
        weight = net.quant(net.const(np.ones((4, 3))), 1.0, 2)
        return net.node("ArgMax", net.node("Neg", net.node("MatMul", x, weight)), axis=1)

    return ["inspect", save(around(build))]


@occurs("HW206")
def _(_: pytest.MonkeyPatch) -> list[str]:
    return ["inspect", save(around(lambda net, x: net.node("Identity", x)))]


@occurs("HW311")
def _(_: pytest.MonkeyPatch) -> list[str]:
    Path("f.json").write_text('{"matmul_12": {"pe": 2}, "matmul_13": {"pe": 2}}')
    return ["build", save(mlp()), "--folding", "f.json"]


@occurs("HW401")
def _(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(verilog, "_SCRIPT", "read_rtlil netlist.il\nno_such_command\n")
    return ["build", save(mlp()), "-o", "out"]


def built() -> str:
    api.build(save(mlp()), "out", frames=2, folding="serial")
    return "out"


def edited(path: str, pattern: str, replacement: str) -> None:
    text = Path(path).read_text()
    changed, count = re.subn(pattern, replacement, text, count=1, flags=re.S)
    assert count == 1, f"{pattern} is not in {path}"
    Path(path).write_text(changed)


def built_wrong() -> str:
    """One expected integer is another than the hardware computes."""
    folder = built()
    with np.load("out/sim/vectors.npz") as stored:
        arrays = dict(stored)
    (output,) = (key for key in arrays if key.startswith("output:"))
    arrays[output].flat[1] += 1
    np.savez("out/sim/vectors.npz", **arrays)
    return folder


OCCURRENCES["HW501"] = lambda _: ["sim", built_wrong()]
OCCURRENCES["HW504"] = lambda _: ["synth", built_wrong(), "--tool", "yosys-gates", "--check"]


@occurs("HW502")
def _(_: pytest.MonkeyPatch) -> list[str]:
    folder = built()
    edited("out/rtl/net.v", r"\.o__valid\(m_axis_tvalid\)", ".o__valid()")
    return ["sim", folder]


@occurs("HW503")
def _(_: pytest.MonkeyPatch) -> list[str]:
    folder = built()
    edited("out/rtl/net.v", r"assign m_axis_tlast = .*?;", "assign m_axis_tlast = 1'b0;")
    return ["sim", folder]


@occurs("HW601")
def _(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    np.save("x.npy", np.zeros((1, 4), np.float32))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    return ["run", save(mlp()), "--input", "x.npy", "--output", "y.npy", "--engine", "onnx"]


@occurs("HW602")
def _(_: pytest.MonkeyPatch) -> list[str]:
    folder = built()
    Path("out/sim/run.py").write_text("import sys\nsys.exit('the testbench was changed')\n")
    return ["sim", folder]


@occurs("HW603")
def _(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(verilog, "YOSYS_SECONDS", 0.001)
    return ["build", save(mlp()), "-o", "out"]


@occurs("HW604")
def _(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    known = netlist._MODULE.pattern.replace("module", "module(?! FDRE )")
    monkeypatch.setattr(netlist, "_MODULE", re.compile(known, re.M))
    return ["synth", built(), "--check"]


@occurs("HW900")
def _(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    def fault(*_: object, **__: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(api, "inspect", fault)
    return ["inspect", "net.onnx"]


def words(err: str) -> str:
    """What is on standard error, without progress."""
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith("["))


def test_every_code_occurs() -> None:
    assert set(OCCURRENCES) == set(CODES)
    assert {path.stem for path in HERE.glob("*.txt")} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_golden(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    command = OCCURRENCES[code](monkeypatch)
    capsys.readouterr()
    exit_code = main(command)
    captured = capsys.readouterr()
    assert not captured.out
    shown = f"$ hwgen {' '.join(command)}\n{words(captured.err)}".replace(f"{tmp_path}/", "")
    golden = HERE / f"{code}.txt"
    if request.config.getoption("--update-golden"):
        golden.write_text(shown, "utf-8")
    assert golden.is_file(), "run pytest tests/errors --update-golden, and read what it wrote"
    assert shown == golden.read_text("utf-8")
    assert f"error[{code}]: {CODES[code].title}\n" in shown
    assert exit_code == CODES[code].exit
    problems = shown.count("error[")
    for part in ("  --> ", "   = why: ", "   = help: "):
        assert shown.count(part) == problems, "each problem says where, why and what to do"
    assert "Traceback" not in shown
    if exit_code not in (1, 5, 70):
        assert not os.path.exists("y.npy")


def test_explain_all_is_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    """What ``make docs`` writes: a heading for each code, and what it takes to be Markdown."""
    assert main(["explain", "--all"]) == 0
    page = capsys.readouterr().out
    kept = HERE.parents[1] / "docs" / "errors.md"
    assert kept.read_text("utf-8") == page, "run make docs"
    assert [m[1] for m in re.finditer(r"^## (HW\d+): ", page, re.M)] == list(CODES)
    for code, entry in CODES.items():
        assert f"## {code}: {entry.title}\n\nExit code {entry.exit}. " in page
    assert main(["explain", "--all", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["codes"]) == len(CODES)


@pytest.mark.parametrize(("command", "meant"), [
    ("build net.onnx --wbit 3", "--wbits"), ("buil net.onnx", "build"),
    ("build net.onnx --max-node 3", "--max-nodes"), ("explain HW2O1", "HW201"),
    ("demo --model digits_mlp_w2a", "digits_mlp_w2a4"),
    ("build net.onnx --folding f.json", "matmul_13"),
])  # fmt: skip
def test_did_you_mean(
    command: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    save(mlp())
    Path("f.json").write_text('{"matmul_1": {}}')
    assert main(command.split()) == 2
    assert f"did you mean {meant}? " in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


def test_nothing_is_suggested_for_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "net.onnx", "--frames", "many"]) == 2
    assert "did you mean" not in capsys.readouterr().err
    assert shutil.which("hwgen") is None or resource("models").is_dir()
