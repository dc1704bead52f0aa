"""`hwgen train`: a QONNX file that builds, whatever interrupts it, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
pytest.importorskip("sklearn", reason="needs scikit-learn's digits")

from hwgen import train as module
from hwgen.api import run
from hwgen.cli import main, parser
from hwgen.core.errors import HwgenError
from hwgen.train import command
from hwgen.training.methods import METHODS
from hwgen.training.recipes import RECIPES


def hwgen(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_help_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(list(RECIPES)[:-1])} or {list(RECIPES)[-1]}" in shown
    assert {"sat", "lsq", "pact"} <= set(METHODS)


def test_a_trained_network_is_read_and_has_the_stated_accuracy(tmp_path: Path, capsys) -> None:
    out, frames = tmp_path / "net.onnx", tmp_path / "test.npz"
    words = ("train", "digits-mlp", "--epochs", 3, "--wbits", 3, "--abits", 3, "-o", out)
    code, shown, progress = hwgen(capsys, *words, "--test-frames", frames, "--json")
    assert code == 0, progress
    found = json.loads(shown)
    assert len(re.findall(r"digits-mlp sat epoch \d/3: loss", progress)) == 3
    with np.load(frames) as content:
        x, y = content["x"], content["y"]
    assert len(x) == found["test_frames"] == found["integer_frames"] == 360
    logits = run(out, x.astype(np.float32))
    assert float((logits.argmax(1) == y).mean() * 100) == found["integer_accuracy"] > 60
    assert hwgen(capsys, "inspect", out, "--wbits", 8)[0] == 0
    first = out.read_bytes()
    assert hwgen(capsys, *words)[0] == 0
    assert out.read_bytes() == first, "the same seed gives the same bytes"
    assert hwgen(capsys, *words, "--seed", 1)[0] == 0
    assert out.read_bytes() != first


def test_all_precisions_in_one_file(tmp_path: Path, capsys) -> None:
    out = tmp_path / "net.onnx"
    words = ("train", "digits-mlp", "--method", "sp-net", "--epochs", 2, "-o", out, "--json")
    code, shown, progress = hwgen(capsys, *words)
    assert code == 0, progress
    found = json.loads(shown)
    assert list(found["outputs"]) == ["y8", "y4", "y2"]
    assert found["accuracy"] == found["outputs"]["y8"]["accuracy"]
    assert hwgen(capsys, "inspect", out, "--output-name", "y2", "--wbits", 3)[0] == 0


@pytest.mark.parametrize("recipe", ["digits-mlp", "jets", "faces"])
def test_a_recipe_ends_in_verilog(recipe: str, tmp_path: Path, capsys) -> None:
    if recipe == "faces":
        pytest.importorskip("skimage", reason="needs scikit-image's patches of faces")
    out, frames, build = tmp_path / "net.onnx", tmp_path / "test.npz", tmp_path / "build"
    assert hwgen(capsys, "train", recipe, "--epochs", 1, "-o", out, "--test-frames", frames)[0] == 0
    with np.load(frames) as content:
        np.save(tmp_path / "x.npy", content["x"][:4])
    words = ("--frames-file", tmp_path / "x.npy", "--frames", 4, "-o", build)
    assert hwgen(capsys, "build", out, *words)[0] == 0
    code, shown, progress = hwgen(capsys, "sim", build, "--json")
    assert code == 0, progress
    assert json.loads(shown)["mismatches"] == 0


@pytest.mark.parametrize("method", ["lsq", "rvsm"])
def test_a_killed_run_goes_on(tmp_path: Path, method: str) -> None:
    class Killed(Exception):
        pass

    def stop(line: str) -> None:
        if "epoch 1/2" in line:
            raise Killed

    whole, half, state = tmp_path / "a.onnx", tmp_path / "b.onnx", tmp_path / "state.pt"
    command("digits-mlp", whole, epochs=2, method=method)
    with pytest.raises(Killed):
        command("digits-mlp", half, epochs=2, method=method, checkpoint=state, progress=stop)
    assert not half.exists()
    with pytest.raises(HwgenError, match="HW112"):
        command("digits-mlp", half, epochs=2, method=method, checkpoint=state, seed=1)
    command("digits-mlp", half, epochs=2, method=method, checkpoint=state)
    x = np.random.default_rng(0).integers(0, 16, (50, 1, 8, 8)).astype(np.float32) / 16
    np.testing.assert_array_equal(run(whole, x, raw=True), run(half, x, raw=True))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"recipe": "nothing"}, "HW110"), ({"method": "best"}, "HW110"), ({"wbits": 0}, "HW110"),
        ({"abits": 9}, "HW110"), ({"epochs": 0}, "HW110"), ({"rate": -1.0}, "HW110"),
        ({"seed": -1}, "HW110"), ({"threads": 0}, "HW110"), ({"device": "tpu"}, "HW110"),
        ({"out": "none/net.onnx"}, "HW111"), ({"checkpoint": "none/c.pt"}, "HW111"),
    ],
)  # fmt: skip
def test_mistakes_leave_nothing(changes, code, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HwgenError, match=code):
        command(**{"recipe": "digits-mlp", "out": "net.onnx", **changes})
    assert not list(tmp_path.iterdir())


def test_without_torch_it_says_how_to_get_it(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    code, _, shown = hwgen(capsys, "train", "digits", "-o", tmp_path / "net.onnx")
    assert code == 5
    assert "error[HW601]" in shown and "pip install 'hwgen[train]'" in shown


def test_nothing_else_imports_torch() -> None:
    """Help and quantizing work where there is no torch."""
    script = "import sys, hwgen.cli, hwgen.quantization, hwgen.train; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
