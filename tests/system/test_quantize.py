"""`hwgen quantize`, and the same options of `hwgen build`: what they write, print and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwgen import ptq_options
from hwgen.frontends import read_model, run_source
from hwgen.frontends.annotate import is_float
from hwgen.quantize.clipping import METHODS
from hwgen.quantize.options import EQUALIZERS
from tests.quantize.nets import cnn, residual
from tests.system.conftest import MODEL, Command

BITS = ("--wbits", 4, "--abits", 4)


@pytest.fixture(scope="module")
def float_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float network with a residual sum; 32 frames beside it in calib.npy."""
    folder = tmp_path_factory.mktemp("float")
    rng = np.random.default_rng(0)
    (folder / "net.onnx").write_bytes(residual(rng).model.SerializeToString())
    np.save(folder / "calib.npy", rng.normal(0, 1, (32, 2, 6, 6)).astype(np.float32))
    return folder / "net.onnx"


@pytest.fixture
def calib(float_model: Path) -> Path:
    return float_model.with_name("calib.npy")


def test_names_are_those_of_the_package() -> None:
    assert set(ptq_options.METHODS) == {*METHODS, "adaround", "auto"}
    assert ptq_options.EQUALIZERS == EQUALIZERS


def test_a_float_model_becomes_a_quantized_one(
    float_model: Path, calib: Path, hwgen: Command, tmp_path: Path
) -> None:
    out = tmp_path / "q.onnx"
    words = ("quantize", float_model, *BITS, "--calib", calib, "--method", "aciq", "-o", out)
    outcome = hwgen(*words, "--bias-correction")
    assert outcome.code == 0, outcome.err
    assert not is_float(read_model(out))
    shown = outcome.out
    for word in ("in model dB", "aciq, bias correction", "layers that lose most", "q.onnx written"):
        assert word in shown
    assert all(f"\n{layer} " in shown for layer in ("conv0", "conv1", "fc"))
    assert "calibrating: frame 32 of 32" in outcome.err
    found = hwgen(*words, "--json").json()
    assert [layer["wbits"] for layer in found["layers"]] == [4, 4, 4]
    assert [layer["abits"] for layer in found["layers"]] == [8, 4, 4]
    assert found["worst"] and found["weight_bytes"] * 8 == found["float_bytes"]


def test_a_report_names_the_worst_layers(
    float_model: Path, calib: Path, hwgen: Command, tmp_path: Path
) -> None:
    how = (*BITS, "--calib", calib)
    outcome = hwgen("quantize", float_model, *how, "-o", tmp_path / "q.onnx",
                    "--report", tmp_path / "q.md", "--json")  # fmt: skip
    page = (tmp_path / "q.md").read_text("utf-8")
    assert f"1. {outcome.json()['worst'][0]}: " in page and "](q.svg)" in page
    assert hwgen("build", float_model, *how, "--frames", 1, "-o", tmp_path / "b").code == 0
    reports = tmp_path / "b" / "reports"
    assert (reports / "sqnr.svg").read_bytes() == (tmp_path / "q.svg").read_bytes()
    assert (reports / "quantization.md").read_text("utf-8") == page.replace("q.svg", "sqnr.svg")
    assert "(quantization.md)" in (reports / "index.md").read_text("utf-8")
    for report, code in (("q.txt", "HW110"), ("none/q.md", "HW111")):
        refused = hwgen("quantize", float_model, *how, "-o", tmp_path / "no.onnx",
                        "--report", tmp_path / report, "--json")  # fmt: skip
        assert [p["code"] for p in refused.json()["errors"]] == [code]
        assert not (tmp_path / "no.onnx").exists()


def test_auto_says_what_it_chose(
    float_model: Path, calib: Path, hwgen: Command, tmp_path: Path
) -> None:
    outcome = hwgen("quantize", float_model, *BITS, "--calib", calib, "--method", "auto",
                    "-o", tmp_path / "q.onnx")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "chosen of 9 candidates: " in outcome.out
    assert "\n  for the highest output SQNR of those within" in outcome.out
    assert outcome.out.count("\n  tried ") == 8


def test_building_a_float_model_is_quantizing_and_building(
    float_model: Path, calib: Path, hwgen: Command, tmp_path: Path
) -> None:
    widths = tmp_path / "widths.json"
    widths.write_text('{"conv1": [2, 3]}')
    how = (*BITS, "--calib", calib, "--method", "mse", "--bias-correction", "--widths", widths)
    assert hwgen("quantize", float_model, *how, "-o", tmp_path / "net.onnx").code == 0
    assert hwgen("build", tmp_path / "net.onnx", "--frames", 2, "-o", tmp_path / "a").code == 0
    outcome = hwgen("build", float_model, *how, "--frames", 2, "-o", tmp_path / "b")
    assert outcome.code == 0, outcome.err
    assert "quantized layer 3 of 3" in outcome.err
    for name in ("graph/graph.json", "graph/arrays.npz", "rtl/net.v", "sim/vectors.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    again = hwgen("build", float_model, *how, "--frames", 2, "--json", "-o", tmp_path / "b")
    assert again.json()["reused"]
    other = hwgen("build", float_model, *how[:-2], "--frames", 2, "--json", "-o", tmp_path / "b")
    assert not other.json()["reused"]


def test_a_budget_of_luts(float_model: Path, calib: Path, hwgen: Command, tmp_path: Path) -> None:
    how = ("--wbits", 8, "--abits", 4, "--calib", calib, "--frames", 1, "--compare", 0, "--json")
    budgets, sizes = [100_000], []
    for share in (0.85, 0.65, None):
        outcome = hwgen("build", float_model, *how, "--interval", 300, "--budget-luts", budgets[-1],
                        "-o", tmp_path / str(share))  # fmt: skip
        assert outcome.code == 0, outcome.err
        sizes.append(sum(stage["estimate"]["lut"] for stage in outcome.json()["stages"]))
        assert sizes[-1] <= budgets[-1]
        assert outcome.json()["interval"] <= 300
        budgets.append(int((share or 1) * sizes[0]))
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_integers_are_near_the_float_model(
    float_model: Path, calib: Path, hwgen: Command, tmp_path: Path
) -> None:
    y = tmp_path / "y.npy"
    outcome = hwgen("run", float_model, "--wbits", 8, "--abits", 8, "--calib", calib,
                    "--input", calib, "--output", y)  # fmt: skip
    assert outcome.code == 0, outcome.err
    exact = run_source(read_model(float_model), {"x": np.load(calib)})["y"]
    assert np.abs(np.load(y) - exact).max() < 0.05 * np.abs(exact).max()


def test_archives_of_frames(float_model: Path, calib: Path, hwgen: Command, tmp_path: Path) -> None:
    frames, written = np.load(calib), []
    for names in ({"x": frames}, {"frames": frames}, {"x": frames, "labels": np.zeros(32)}):
        np.savez(tmp_path / "c.npz", **names)
        outcome = hwgen("quantize", float_model, *BITS, "--calib", tmp_path / "c.npz",
                        "-o", tmp_path / "q.onnx")  # fmt: skip
        assert outcome.code == 0, outcome.err
        written.append((tmp_path / "q.onnx").read_bytes())
    assert written[0] == written[1] == written[2]


def nan(frames: np.ndarray) -> np.ndarray:
    frames[3, 1, 2, 2] = np.nan
    return frames


@pytest.mark.parametrize(
    ("frames", "code", "why"),
    [
        (lambda x: x[:, :1], "HW112", "its shape is"),
        (lambda x: x[:0], "HW112", "its shape is"),
        (lambda x: x.astype("U8"), "HW112", "numbers"),
        (lambda x: x + 1j, "HW112", "numbers"),
        (nan, "HW112", "NaN"),
        (lambda x: 0 * x, "HW112", "in every frame"),
        (None, "HW101", "no such file"),
        (b"junk", "HW112", "not arrays"),
        (b"PK\x03\x04junk", "HW112", "not arrays"),
    ],
    ids=["shape", "empty", "text", "complex", "nan", "constant", "none", "junk", "archive"],
)
def test_bad_frames(frames, code, why, float_model, calib, hwgen: Command, tmp_path: Path) -> None:
    path = tmp_path / "bad.npy"
    if isinstance(frames, bytes):
        path.write_bytes(frames)
    elif frames is not None:
        np.save(path, frames(np.load(calib)))
    before = sorted(tmp_path.iterdir())
    for words in (("quantize", float_model, "-o", tmp_path / "q.onnx"),
                  ("build", float_model, "-o", tmp_path / "b")):  # fmt: skip
        outcome = hwgen(*words, *BITS, "--calib", path, "--json")
        (problem,) = outcome.json()["errors"]
        assert (problem["code"], why in problem["why"]) == (code, True), problem
        assert sorted(tmp_path.iterdir()) == before, "nothing is written"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("--wbits", 0), "--wbits"), (("--abits", 9), "--abits"), (("--wbits", "x"), "quantize"),
        (("--method", "best"), "--method"), (("--equalize", "all"), "--equalize"),
        (("--subtensor", 0), "--subtensor"), (("--sum-bits", 9), "--sum-bits"),
        (("--edge-bits", 0), "--edge-bits"), (("--dead-channels", -1), "--dead-channels"),
        (("--subtensor", 2, "--bit-allocation"), "--subtensor"),
        (("--budget-bytes", 9, "--widths", "w.json"), "--budget-bytes"),
        (("--budget-bytes", 1), "net"), (("--budget-luts", 1), "net"),
        (("--budget-luts", 9, "--budget-bytes", 9), "--budget-"), (("--widths", "none.json"), "none.json"),
    ],
)  # fmt: skip
def test_bad_options(words, place, float_model, calib, hwgen: Command, tmp_path: Path) -> None:
    outcome = hwgen("quantize", float_model, *BITS, "--calib", calib, "-o", tmp_path / "q.onnx",
                    *words, "--json")  # fmt: skip
    problems = outcome.json()["errors"]
    assert outcome.code == 2
    assert all(problem["code"] in ("HW110", "HW101") for problem in problems)
    assert any(place in problem["where"] for problem in problems), problems
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "[]", '{"conv1": 4}', '{"conv1": [4]}', '{"conv1": [4, "4"]}', '{"conv1": [4, 9]}',
             '{"conv9": [4, 4]}', '{"conv1": [true, 4]}'],
)  # fmt: skip
def test_bad_widths(text, float_model, calib, hwgen: Command, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(text)
    outcome = hwgen("quantize", float_model, *BITS, "--calib", calib, "--widths",
                    tmp_path / "w.json", "-o", tmp_path / "q.onnx", "--json")  # fmt: skip
    assert [problem["code"] for problem in outcome.json()["errors"]] == ["HW110"]
    assert not (tmp_path / "q.onnx").exists()


def test_a_quantized_model_is_refused(hwgen: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.random.default_rng(0).random((4, 64), np.float32))
    for command, code in (("quantize", "HW202"), ("build", "HW110")):
        out = tmp_path / "out.onnx"
        outcome = hwgen(command, MODEL, "--wbits", 2, "--abits", 4, "--calib", tmp_path / "c.npy",
                        "-o", out, "--json")  # fmt: skip
        (problem,) = outcome.json()["errors"]
        assert (problem["code"], "quantized already" in problem["why"]) == (code, True)
        assert not out.exists()


def test_where_nothing_can_be_written(
    float_model: Path, calib: Path, hwgen: Command, tmp_path: Path
) -> None:
    for out in (tmp_path, tmp_path / "none" / "q.onnx"):
        outcome = hwgen("quantize", float_model, *BITS, "--calib", calib, "-o", out, "--json")
        (problem,) = outcome.json()["errors"]
        assert problem["code"] == "HW111"
    assert "calibrating" not in outcome.err, "it is found out before the work is done"


def test_progress_and_limits_cross_the_sandbox(
    hwgen: Command, tmp_path: Path, calib: Path, float_model: Path
) -> None:
    """What a child says while it works, and what ends it."""
    words = ("quantize", float_model, *BITS, "--calib", calib, "-o", tmp_path / "q.onnx", "--json")
    for bound in ("--max-nodes", "--max-memory"):  # memory is counted from what the parent has
        outcome = subprocess.run([sys.executable, "-m", "hwgen", *map(str, words), bound, "1"],
                                 capture_output=True, text=True, check=False)  # fmt: skip
        (problem,) = json.loads(outcome.stdout)["errors"]
        assert problem["code"] == "HW106"
        assert json.dumps(problem).count(bound) == 1
        assert not (tmp_path / "q.onnx").exists()
    (tmp_path / "cnn.onnx").write_bytes(cnn(np.random.default_rng(1)).model.SerializeToString())
    np.save(tmp_path / "c.npy", np.random.default_rng(1).normal(0, 1, (8, 2, 8, 8)))
    fine = hwgen("quantize", tmp_path / "cnn.onnx", *BITS, "--calib", tmp_path / "c.npy",
                 "-o", tmp_path / "q.onnx")  # fmt: skip
    steps = [line.partition("] ")[2] for line in fine.err.splitlines()]
    assert "comparing with the float model" in steps
    assert steps.count("quantized layer 2 of 2: fc") == 1


def test_names_of_a_model_are_escaped(calib: Path, hwgen: Command, tmp_path: Path) -> None:
    source = residual(np.random.default_rng(0))
    for node in source.model.graph.node:
        node.name += "\x1b[2J\n" if node.name else ""
    (tmp_path / "net.onnx").write_bytes(source.model.SerializeToString())
    outcome = hwgen("quantize", tmp_path / "net.onnx", *BITS, "--calib", calib, "--budget-bytes",
                    200, "-o", tmp_path / "q.onnx")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "\x1b" not in outcome.out + outcome.err
    assert "conv0\\x1b[2J\\n" in outcome.out and "conv0\\x1b[2J\\n" in outcome.err
