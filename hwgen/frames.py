"""Frames of model inputs in files: NumPy arrays only, never a pickle."""

from __future__ import annotations

import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hwgen.core.errors import fail
from hwgen.ir.graph import Port

# What NumPy raises for a file that is none of its own, cut short, or made to mislead.
_DAMAGED = (OSError, ValueError, KeyError, EOFError, MemoryError, SyntaxError, NotImplementedError,
            RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)  # fmt: skip


def load_frames(path: Path, port: Port) -> np.ndarray:
    """Frames ``(N, *shape)`` in the element type of ``port``; see :func:`read_array`.

    A single frame may come without its batch axis. Raises HW101 and HW112.
    """
    return fit_frames(read_array(path), port, str(path))


def load_inputs(path: Path, ports: Sequence[Port]) -> dict[str, np.ndarray]:
    """Frames by input name: one array for a single input, else an ``.npz`` with one for each.

    Raises HW101 and HW112, the latter also where inputs have different numbers of frames.
    """
    if len(ports) == 1:
        return {ports[0].name: load_frames(path, ports[0])}
    frames = {p.name: fit_frames(read_array(path, p.name), p, f"{path}: {p.name}") for p in ports}
    same_length(frames, str(path))
    return frames


def same_length(frames: Mapping[str, np.ndarray], where: str) -> None:
    """Raise HW112 unless every input has as many frames."""
    counts = {name: len(x) for name, x in frames.items()}
    if len(set(counts.values())) > 1:
        fail("HW112", where=where, why=f"its inputs have {counts} frames",
             help="give as many frames for each")  # fmt: skip


def read_array(path: Path, name: str = "x") -> np.ndarray:
    """The array of an ``.npy`` file, or array ``name`` of an ``.npz`` file. Raises HW101, HW112."""
    if not os.path.isfile(path):
        why = "it is no regular file" if os.path.exists(path) else "no such file"
        fail("HW101", where=str(path), why=why, help="give an .npy file of frames")
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            array = content
        else:
            with content:
                if name not in content.files:
                    only = ", ".join(content.files) or "none"
                    raise KeyError(f"it has no array {name}, only {only}")
                array = content[name]
    except _DAMAGED as error:
        fail("HW112", where=str(path), why=f"not an array of numbers: {_words(error)}",
             help=f"save the frames with numpy.save, or with numpy.savez as array {name}")  # fmt: skip
    if array.dtype.kind not in "fiub":
        fail("HW112", where=str(path), why=f"its elements are {array.dtype}, not numbers",
             help="save the frames as float32 or as integers")  # fmt: skip
    return array


def read_arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an ``.npy`` file, or those of an ``.npz``: ``x`` alone, or all by name."""
    if not os.path.isfile(path) or not zipfile.is_zipfile(path):
        return read_array(path)
    try:
        with np.load(path, allow_pickle=False) as content:
            names = list(content.files)
    except _DAMAGED:
        names = ["x"]
    if "x" in names or not names:
        return read_array(path)
    return {name: read_array(path, name) for name in names}


def load_calibration(path: Path, inputs: Sequence[str]) -> dict[str, np.ndarray]:
    """Frames by input name: an array for a model of one input, else arrays named as the inputs.

    An ``.npz`` file for one input may name its array x, as the input, or anything if it is the only
    one. Raises HW101 and HW112.
    """
    if len(inputs) == 1 and not (os.path.isfile(path) and zipfile.is_zipfile(path)):
        return {inputs[0]: read_array(path)}
    if not os.path.isfile(path):
        fail("HW101", where=str(path), why="no such file", help="give an .npy or .npz of frames")
    wanted = f"save them with numpy.savez as {', '.join(inputs)}"
    try:
        with np.load(path, allow_pickle=False) as content:
            found = {name: content[name] for name in content.files}
    except (*_DAMAGED, TypeError, AttributeError) as error:
        fail("HW112", where=str(path), why=f"not arrays of numbers: {_words(error)}", help=wanted)
    if len(inputs) > 1:
        return {name: found[name] for name in inputs if name in found}
    names = [
        name for name in ("x", inputs[0], *(found if len(found) == 1 else ())) if name in found
    ]
    if not names:
        fail("HW112", where=str(path), why=f"no array of {', '.join(found) or 'none'} is the input",
             help="save the frames with numpy.savez as array x")  # fmt: skip
    return {inputs[0]: found[names[0]]}


def fit_frames(array: np.ndarray, port: Port, where: str = "input") -> np.ndarray:
    """``array`` as frames of ``port``, in its element type. Raises HW112 where it does not fit."""
    shape = port.index.shape
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape or not array.size:
        wanted = ", ".join(map(str, ("N", *shape)))
        fail("HW112", where=where, why=f"its shape is {array.shape}",
             help=f"give ({wanted}), one frame after another")  # fmt: skip
    kind = np.dtype(port.dtype)
    limits = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    if not np.isfinite(array).all():
        fail("HW112", where=where, why="it holds NaN or infinity", help="give finite numbers")
    if array.min() < limits.min or array.max() > limits.max:
        fail("HW112", where=where, why=f"it holds {array.min()}..{array.max()}, not {kind}",
             help=f"give numbers in {limits.min}..{limits.max}")  # fmt: skip
    if kind.kind in "iu" and (array != np.rint(array)).any():
        fail("HW112", where=where, why="its values are not all whole",
             help=f"the model's input is {kind}: give integers")  # fmt: skip
    return array.astype(kind)


def _words(error: BaseException) -> str:
    """The first line of what an error says; a KeyError would show its message in quotes."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return next((line for line in text.splitlines() if line.strip()), type(error).__name__)
