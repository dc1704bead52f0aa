"""The same model and options give the same bytes, whoever builds, and wherever."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from hwgen.core.resources import resource

MODEL = resource("models") / "digits_cnn_w2a4.onnx"


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file by its path inside the build."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def built(tmp_path: Path, name: str, seed: str) -> dict[str, str]:
    """A build in a process with its own hash seed, home and working folder."""
    home = tmp_path / name
    home.mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": seed, "HOME": str(home), "USER": name}
    subprocess.run(
        [sys.executable, "-m", "hwgen", "build", str(MODEL), "-o", f"out/{name}", "--frames", "4"],
        check=True, cwd=home, env=environment, capture_output=True,
    )  # fmt: skip
    return digests(home / "out" / name)


def test_every_file_is_the_same(tmp_path):
    first, second = built(tmp_path, "one", "1"), built(tmp_path, "another", "4242")
    assert any(path.startswith("rtl/") for path in first)
    assert any(path.startswith("mem/") for path in first)
    assert first == second
