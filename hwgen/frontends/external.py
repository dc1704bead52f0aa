"""Tensors kept beside a model file: read only from one folder, through no link, and embedded."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from onnx import TensorProto

from hwgen.core.errors import fail, printable
from hwgen.core.limits import Limits
from hwgen.frontends.structure import check_structure
from hwgen.frontends.tensors import bits_of, parse, tensors_of

KEYS = frozenset({"location", "offset", "length", "checksum"})


def embed(data: bytes, folder: Path, name: str, limits: Limits) -> bytes:
    """The model ``data`` with what it keeps in files below ``folder`` inside it.

    A location is a relative path without ``..``, each step of it opened from the one before without
    following a link; the file must be a regular one with a single name (a hard link could be of
    anything), and must hold the bytes that the tensor's shape takes. Raises HwgenError HW103 for
    whatever else, HW106 where files and model exceed ``limits.bytes``, HW101 without the folder.
    """
    model = parse(data, name)
    check_structure(model, name, limits)
    if not folder.is_dir():
        fail("HW101", where=str(folder), why="no such folder", help="check --external-data")
    total = len(data)
    for owner, tensor in tensors_of(model):
        if tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data:
            continue
        where = f"{name}: tensor `{printable(owner)}`"
        content = _content(tensor, folder, where, limits, total)
        total += len(content)
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.DEFAULT
        tensor.raw_data = content
    return model.SerializeToString(deterministic=True)


def _content(tensor: TensorProto, folder: Path, where: str, limits: Limits, total: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if len(entries) < len(tensor.external_data) or not {"location"} <= entries.keys() <= KEYS:
        fail("HW103", where=where, why=f"its external data has the keys {sorted(entries)}",
             help=f"allowed are {', '.join(sorted(KEYS))}, each once")  # fmt: skip
    if any(dim < 0 for dim in tensor.dims) or tensor.HasField("raw_data"):
        fail("HW103", where=where, why="it has a negative dimension, or data inside as well")
    size = -(-math.prod(tensor.dims) * bits_of(tensor, where) // 8)
    offset = _number(entries, "offset", 0, where)
    if _number(entries, "length", size, where) != size:
        fail("HW103", where=where,
             why=f"its length is {entries['length']}, its shape takes {size} bytes")  # fmt: skip
    limits.check("bytes", total + size, where=where)
    return _read(folder, entries["location"], offset, size, where)


def _number(entries: dict[str, str], key: str, default: int, where: str) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        fail("HW103", where=where, why=f"its {key} is {printable(text)[:40]}, no size")
    return int(text)


def _read(folder: Path, location: str, offset: int, size: int, where: str) -> bytes:
    problem = f"its data lies in `{printable(location)}`"
    allowed = "a location must be a relative path to a regular file with no links, below the folder"
    try:
        with ExitStack() as stack:
            *folders, last = _steps(location)
            at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, at)
            for step in folders:
                at = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                stack.callback(os.close, at)
            mode = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            file = stack.enter_context(open(os.open(last, mode, dir_fd=at), "rb"))
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise ValueError("it is no regular file, or has several names")
            if offset + size > status.st_size:
                raise ValueError(f"{size} bytes at {offset} of a file of {status.st_size}")
            file.seek(offset)
            content = file.read(size)
            if len(content) < size:
                raise ValueError("it is shorter than a moment ago")
            return content
    except (OSError, ValueError) as error:
        why = f"{problem}: {getattr(error, 'strerror', None) or error}"
        fail("HW103", where=where, why=why, help=allowed)


def _steps(location: str) -> Iterator[str]:
    """The names on the way to a file."""
    steps = location.split("/")
    if steps[0] == "." and len(steps) > 1:
        steps = steps[1:]
    if any(step in ("", ".", "..") or "\0" in step or "\\" in step for step in steps):
        raise ValueError("it leaves the folder, or is no plain path")
    return iter(steps)
