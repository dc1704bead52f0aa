"""The bytes of a model file, read once: what is hashed, imported, copied and run is the same."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hwgen.core.errors import fail
from hwgen.core.limits import DEFAULT, Limits


@dataclass(frozen=True, eq=False)
class ModelFile:
    """``data`` is what ``path`` held. Nothing has looked into it yet."""

    name: str
    path: str
    data: bytes

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def read_file(path: str | Path, limits: Limits = DEFAULT) -> ModelFile:
    """The file ``path``, named after its stem.

    Raises HwgenError: HW101 where it is no regular file that can be read, HW106 over the limit.
    """
    path = Path(path)
    try:
        # a FIFO would block the opening, a device could be read without end
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                fail("HW101", where=str(path), why="it is no regular file",
                     help="give a .onnx file")  # fmt: skip
            limits.check("bytes", status.st_size, where=str(path))
            data = file.read(limits.bytes + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        fail("HW101", where=str(path), why=why, help="check the path")
    limits.check("bytes", len(data), where=str(path))  # it may have grown meanwhile
    return ModelFile(path.stem, str(path), data)
