"""The Verilog of the shipped models: plain names, and clean under Verilator's full lint."""

import os
import re
import subprocess

import pytest

from hwgen import api
from hwgen.core.resources import resource
from tests.system.conftest import FOUND, needs_simulator

MODELS = sorted(resource("models").glob("*.onnx"))


@needs_simulator
@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_lint_is_clean(model, tmp_path):
    assert not isinstance(FOUND, str)
    built = api.build(model, tmp_path / "build", frames=1)
    done = subprocess.run(
        [FOUND.path, "--lint-only", "-Wall", "--language", "1364-2005", "sim/lint.vlt",
         "--top-module", built.manifest["top"], *sorted(map(str, built.folder.glob("rtl/*.v")))],
        cwd=built.folder, env={**os.environ, **FOUND.environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_names_are_plain(model, tmp_path):
    built = api.build(model, tmp_path / "build", frames=1)
    for path in sorted(built.folder.glob("rtl/*.v")):
        text = path.read_text()
        assert "\\" not in text, f"an escaped identifier in {path.name}"
        assert re.search(r"^module [a-z]\w* ", text, re.M)
        assert text.isascii()
