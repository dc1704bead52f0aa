"""Writing an output folder: all of it or nothing, nowhere else, through no symbolic link."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwgen.core.errors import fail

MARK = "manifest.json"  # a folder that holds one was made by hwgen and may be replaced


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A scratch folder beside ``out`` that takes its place if the block ends well.

    Raises HW111 where ``out`` is a link, a file, or a folder that hwgen did not make.
    """
    _check(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        fail("HW111", where=str(out), why=str(error.strerror or error),
             help="give a folder that can be written with -o")  # fmt: skip
    try:
        yield scratch
        scratch.chmod(0o755)
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
            os.replace(out, old / "old")
            os.replace(scratch, out)
            shutil.rmtree(old)
        else:
            os.replace(scratch, out)
    except OSError as error:
        fail("HW111", where=str(out), why=str(error.strerror or error),
             help="free some space, or give another folder with -o")  # fmt: skip
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check(out: Path) -> None:
    if out.is_symlink():
        fail("HW111", where=str(out), why="it is a symbolic link", help="name the folder itself")
    if not out.exists():
        return
    if not out.is_dir():
        fail("HW111", where=str(out), why="it is a file", help="give a folder with -o")
    if any(out.iterdir()) and not (out / MARK).is_file():
        fail("HW111", where=str(out), why="it holds files that hwgen did not write",
             help="give an empty or a new folder with -o")  # fmt: skip
    if not os.access(out, os.W_OK):
        fail("HW111", where=str(out), why="permission denied", help="give another folder with -o")


def write_atomically(path: Path, write) -> None:
    """``write(binary file)`` to a scratch file that then takes ``path``'s place. Raises HW111."""
    try:
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        fail("HW111", where=str(path), why=str(error.strerror or error),
             help="give a path that can be written")  # fmt: skip
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except OSError as error:
        fail("HW111", where=str(path), why=str(error.strerror or error))
    finally:
        Path(scratch).unlink(missing_ok=True)
