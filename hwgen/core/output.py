"""Writing an output folder: all of it or nothing, nowhere else, through no symbolic link."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hwgen.core.errors import fail

MARK = "manifest.json"  # a folder that holds one of hwgen's was made by it and may be replaced


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A scratch folder beside ``out`` that takes its place if the block ends well.

    Otherwise everything is as it was before. Raises HW111 where ``out`` is a link, a file, the
    current folder or one around it, or a folder that hwgen did not make; and for whatever the
    system refuses to write.
    """
    scratch, made = None, []
    try:
        _check(out)
        made = [folder for folder in out.parents if not folder.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        yield scratch
        scratch.chmod(0o755)
        _replace(scratch, out)
        made = []
    except OSError as error:
        if error.errno is None:  # not the system's: a fault of ours
            raise
        fail("HW111", where=str(out), why=str(error.strerror or error),
             help="give a folder that can be written, with space on its disk, with -o")  # fmt: skip
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for folder in made:  # innermost first
            with suppress(OSError):
                folder.rmdir()


def _check(out: Path) -> None:
    if out.is_symlink():
        fail("HW111", where=str(out), why="it is a symbolic link", help="name the folder itself")
    around = next(folder for folder in (out, *out.parents) if folder.exists())
    if not around.is_dir():
        fail("HW111", where=str(out), why=f"{around} is a file", help="give a folder with -o")
    if not out.exists():
        return
    if Path.cwd().is_relative_to(out.resolve()):
        fail("HW111", where=str(out), why="the current folder, or one around it, is never replaced",
             help="give a folder of its own with -o")  # fmt: skip
    if any(out.iterdir()) and not _made_by_hwgen(out):
        fail("HW111", where=str(out), why=f"it holds files, and no {MARK} of hwgen",
             help="give an empty or a new folder with -o")  # fmt: skip
    if not os.access(out, os.W_OK):
        fail("HW111", where=str(out), why="permission denied", help="give another folder with -o")


def _made_by_hwgen(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MARK).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and {"schema", "hwgen"} <= manifest.keys()


def _replace(scratch: Path, out: Path) -> None:
    """``scratch`` becomes ``out``; a folder that was there is gone after, not before."""
    if not out.exists():
        os.replace(scratch, out)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        os.replace(out, aside / "old")
        try:
            os.replace(scratch, out)
        except OSError:
            os.replace(aside / "old", out)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_writable(path: Path) -> None:
    """Raise HW111 where :func:`write_atomically` could not write ``path``."""
    if os.path.isdir(path):
        fail("HW111", where=str(path), why="it is a folder", help="give the path of a file")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        fail("HW111", where=str(path), why=str(error.strerror or error),
             help="give a path in a folder that exists and can be written")  # fmt: skip


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """``write(binary file)`` to a scratch file that then takes ``path``'s place. Raises HW111."""
    check_writable(path)
    scratch = None
    try:
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except OSError as error:
        fail("HW111", where=str(path), why=str(error.strerror or error),
             help="give a path that can be written, with space on its disk")  # fmt: skip
    finally:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)
