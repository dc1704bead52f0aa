"""Output folders: whole or not at all, and only where hwgen may write."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from hwgen.core.errors import HwgenError
from hwgen.core.output import MARK, check_writable, output_folder, write_atomically

OURS = json.dumps({"schema": 1, "hwgen": "0.1.0"})


def fill(out: Path, **files: str) -> None:
    with output_folder(out) as folder:
        (folder / MARK).write_text(OURS)
        for name, text in files.items():
            (folder / name).write_text(text)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refusal(out: Path) -> str:
    """Why ``out`` is refused; nothing may change."""
    around = Path(os.devnull) if out.parent == Path("/proc") else out.parent  # lists the processes
    before = listing(around)
    with pytest.raises(HwgenError) as caught, output_folder(out):
        pytest.fail("the block ran")
    assert listing(around) == before
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("HW111", str(out))
    return problem.why


def test_a_new_folder_and_those_above_it(tmp_path: Path) -> None:
    fill(tmp_path / "a/b/c", x="1")
    assert listing(tmp_path) == ["a", "a/b", "a/b/c", f"a/b/c/{MARK}", "a/b/c/x"]
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o755


def test_our_own_is_replaced_whole(tmp_path: Path) -> None:
    fill(tmp_path / "out", old="1")
    fill(tmp_path / "out", new="2")
    assert listing(tmp_path) == ["out", f"out/{MARK}", "out/new"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", x="1")
    assert (tmp_path / "out/x").read_text() == "1"


@pytest.mark.parametrize("fault", [RuntimeError("x"), KeyboardInterrupt(), OSError(28, "full")])
@pytest.mark.parametrize("before", ["nothing", "empty", "ours"])
def test_a_fault_leaves_everything_as_it_was(
    fault: BaseException, before: str, tmp_path: Path
) -> None:
    out = tmp_path / "deep/er" if before == "nothing" else tmp_path / "out"
    if before == "empty":
        out.mkdir()
    if before == "ours":
        fill(out, old="1")
    was = listing(tmp_path)
    expected = HwgenError if isinstance(fault, OSError) else type(fault)
    with pytest.raises(expected), output_folder(out) as folder:
        (folder / "half").write_text("written")
        raise fault
    assert listing(tmp_path) == was


def test_a_fault_of_ours_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), output_folder(tmp_path / "out"):
        raise FileNotFoundError("hwgen is installed without its folder sim")


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "out", old="1")
    real, calls = os.replace, []

    def flaky(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "replace", flaky)
    with pytest.raises(HwgenError, match="HW111"):
        fill(tmp_path / "out", new="2")
    assert listing(tmp_path) == ["out", f"out/{MARK}", "out/old"]


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refusal(tmp_path / "file")
    assert "is a file" in refusal(tmp_path / "file/below")
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    assert "symbolic link" in refusal(tmp_path / "link")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "symbolic link" in refusal(tmp_path / "dangling")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes").write_text("mine")
    assert "holds files" in refusal(tmp_path / "full")
    assert refusal(Path("/proc/hwgen"))
    assert "long" in refusal(tmp_path / ("x" * 300))
    monkeypatch.chdir(tmp_path / "target")
    for out in (tmp_path / "target", tmp_path):
        assert "current folder" in refusal(out)


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", "{}", '{"name": "app"}', '{"schema": 1}', "\xff"]
)
def test_only_a_manifest_of_ours_marks_a_folder(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARK).write_bytes(manifest.encode("latin-1"))
    assert "no manifest.json of hwgen" in refusal(tmp_path / "out")


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "y.npy"
    write_atomically(path, lambda file: file.write(b"one"))
    write_atomically(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644

    def broken(file) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(HwgenError, match="No space left"):
        write_atomically(path, broken)
    assert path.read_bytes() == b"two"
    assert listing(tmp_path) == ["y.npy"]


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "nowhere/y", tmp_path / "file/y", Path("/proc/y")):
        for write in (check_writable, lambda p: write_atomically(p, lambda f: f.write(b""))):
            with pytest.raises(HwgenError) as caught:
                write(path)
            (problem,) = caught.value.problems
            assert (problem.code, problem.where) == ("HW111", str(path))
    assert listing(tmp_path) == ["file", "folder"]
