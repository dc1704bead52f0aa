"""Every hazard through ``inspect`` and ``build``: refused for its reason, and cheaply."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hwgen import api
from hwgen.cli import main
from hwgen.core.codes import LIMIT, OK, REJECTED, UNSUPPORTED
from hwgen.core.errors import printable
from hwgen.core.names import identifier
from tests.hostile.corpus import Hazard, cnn, hazards
from tests.hostile.names import TEXTS, named
from tests.hostile.observer import Observer

SECONDS, MEBIBYTES = 10, 1024  # of processor time, since others may use the machine as well
BY_NAME = {each.name: each for each in hazards()}
HARMLESS = [name for name, each in BY_NAME.items() if each.harmless]
HARMFUL = sorted(set(BY_NAME) - set(HARMLESS))
QUICK = set(HARMFUL[::6])  # of every kind some, since names begin with what is done


def outcome(observe: Observer, action: str, path: Path, **options: Any) -> set[str]:
    """The codes with which ``action`` refuses; none where it does not. Cheap in either case."""
    found = observe(action, path, **options)
    assert not found.fault, found.fault
    assert found.exit in (OK, REJECTED, UNSUPPORTED, LIMIT)
    for problem in found.problems:
        assert problem.where and problem.why and problem.help
        assert str(problem).replace("\n", "").isprintable()
    assert found.busy < SECONDS
    assert found.mebibytes < MEBIBYTES
    return found.codes


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_corpus_is_large() -> None:
    assert len(BY_NAME) >= 300
    assert len(HARMLESS) < len(BY_NAME) / 3


def each(names: list[str], quick: set[str]) -> list[Any]:
    """Parameters, all slow but the ``quick`` ones."""
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", each(HARMFUL, QUICK))
def test_harm_is_refused(name: str, observe: Observer, tmp_path: Path) -> None:
    hazard: Hazard = BY_NAME[name]
    path = hazard.write(tmp_path)
    for action, options in (("inspect", {}), ("build", {"out": "out"})):
        codes = outcome(observe, action, path, **options)
        assert codes and codes <= set(hazard.codes)
        assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    "name",
    each(
        [name for name in HARMLESS if not name.startswith("text_")],
        {"nodes_backwards", "scale_tiny"},
    ),
)
def test_what_is_harmless_is_built(name: str, observe: Observer, tmp_path: Path) -> None:
    path = BY_NAME[name].write(tmp_path)
    assert not outcome(observe, "inspect", path)
    assert not outcome(observe, "build", path, out="out", frames=1, folding="serial")
    assert sorted(os.listdir(tmp_path)) == sorted(["out", path.name])
    for file, content in files(tmp_path / "out").items():
        if not file.startswith("model/"):
            assert b"evil" not in content, file


# Text of a model shows up in few places only: as JSON strings, escaped in reports/graph.txt, and
# what an allow-list of characters leaves of it in reports/index.md.
OWN_WORDS = {"graph/graph.json", "graph/arrays.npz", "manifest.json", "reports/graph.txt",
             "reports/source.json", "reports/index.md", "sim/vectors.npz"}  # fmt: skip


def built(model: Any, folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """The files of a build, but for the model, and its stages."""
    folder.mkdir()
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    made = api.build(folder / "net.onnx", folder / "out", frames=1, folding="serial")
    assert sorted(os.listdir(folder)) == ["net.onnx", "out"]
    stages = [stage["name"] for stage in made.manifest["stages"]]
    return {k: v for k, v in files(folder / "out").items() if k != "model/model.onnx"}, stages


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[str]]:
    return built(cnn(), tmp_path_factory.mktemp("plain") / "model")


@pytest.mark.slow
@pytest.mark.parametrize("kind", TEXTS)
def test_no_text_of_a_model_is_built(
    kind: str, plain: tuple[dict[str, bytes], list[str]], tmp_path: Path
) -> None:
    """With the stages' names put back, every file is byte for byte that of a model without it."""
    made, stages = built(named(TEXTS[kind]), tmp_path / "model")
    pairs = sorted(zip(stages, plain[1], strict=True), key=lambda pair: -len(pair[0]))
    assert all(name.isascii() and name.isidentifier() for name in stages)

    def restored(text: bytes) -> bytes:
        for name, original in pairs:
            text = text.replace(name.encode(), original.encode())
        return text

    own = {file: content for file, content in made.items() if file not in OWN_WORDS}
    assert {restored(k.encode()).decode(): restored(v) for k, v in own.items()} == {
        k: v for k, v in plain[0].items() if k not in OWN_WORDS
    }
    assert made["reports/graph.txt"].decode().replace("\n", "").isprintable()
    assert made["reports/source.json"].isascii()
    report = made["reports/index.md"].decode("ascii")
    assert not any(sign in report for sign in ("<", "](", "$", "\\", "{", "\x1b"))
    assert printable(TEXTS[kind]).isprintable()


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    "$(touch evil)", "evil;reboot", "evil\nname", "evil\u202egpj", "evil\udcff", "-evil",
    "..", "con",
    "<b>evil<b>", "hwgen_rom", "bench", "evil`name", "(* evil *)", "e" * 200, "\x1b[31mevil",
])  # fmt: skip
def test_names_of_files_are_not_trusted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a model is called decides the name of the top module, by the same allow-list."""
    monkeypatch.chdir(tmp_path)
    path = Path(f"{name}.onnx")
    path.write_bytes(cnn().SerializeToString())
    assert main(["inspect", f"./{path}"]) == main(["build", f"./{path}", "--frames", "1"]) == 0
    shown = capfd.readouterr()
    assert (shown.out + shown.err).replace("\n", "").isprintable()
    assert sorted(os.listdir(tmp_path)) == sorted([str(path), "build"])
    (folder,) = (tmp_path / "build").iterdir()
    top = json.loads((folder / "manifest.json").read_text("utf-8"))["top"]
    assert identifier(top) == top and (folder / "rtl" / f"{top}.v").is_file()
    for file, content in files(folder).items():
        if file not in {*OWN_WORDS, "model/model.onnx"}:
            assert b"evil" not in content.replace(top.encode(), b""), file
