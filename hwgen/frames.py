"""Frames of model inputs in files: NumPy arrays only, never a pickle."""

from __future__ import annotations

import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hwgen.core.errors import fail, printable
from hwgen.ir.graph import Port

# What NumPy raises for a file that is none of its own, cut short, or made to mislead.
_DAMAGED = (OSError, ValueError, KeyError, EOFError, MemoryError, SyntaxError, NotImplementedError,
            RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)  # fmt: skip


def load_inputs(path: Path, ports: Sequence[Port]) -> dict[str, np.ndarray]:
    """Frames by input name, each in the element type of its port; files as :func:`read_frames` says.

    A single frame may come without its batch axis. Raises HW101 and HW112, the latter also where
    inputs have different numbers of frames.
    """
    found = read_frames(path, [port.name for port in ports])
    alone = len(ports) == 1
    frames = {
        p.name: fit_frames(found[p.name], p, str(path) if alone else f"{path}: {p.name}")
        for p in ports
    }
    same_length(frames, str(path))
    return frames


def same_length(frames: Mapping[str, np.ndarray], where: str) -> None:
    """Raise HW112 unless every input has as many frames."""
    counts = {name: len(x) for name, x in frames.items()}
    if len(set(counts.values())) > 1:
        fail("HW112", where=where, why=f"its inputs have {counts} frames",
             help="give as many frames for each")  # fmt: skip


def read_frames(path: Path, inputs: Sequence[str]) -> dict[str, np.ndarray]:
    """An array of numbers for each of a model's ``inputs``.

    An ``.npz`` has one array for each input, of the input's name; for an only input the array may
    also be called x, or be the only one. An ``.npy`` is the array of an only input. Raises HW101
    where there is no such file, HW112 for anything else.
    """
    if not os.path.isfile(path):
        why = "it is no regular file" if os.path.exists(path) else "no such file"
        fail("HW101", where=str(path), why=why, help="give an .npy or .npz file of frames")
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            found = {"x": content} if len(inputs) == 1 else {}
            found = _named(found, inputs, "an .npy file has one array")
        else:
            with content:
                kept = f"it has {', '.join(map(printable, content.files)) or 'no array'}"
                found = _named(content, inputs, kept)
    except _DAMAGED as error:
        how = "numpy.save" if len(inputs) == 1 else "numpy.savez, an array for each input"
        fail("HW112", where=str(path), why=f"not arrays of numbers: {_words(error)}",
             help=f"save the frames with {how}")  # fmt: skip
    for name, array in found.items():
        if array.dtype.kind not in "fiub":
            where = str(path) if len(inputs) == 1 else f"{path}: {printable(name)}"
            fail("HW112", where=where, why=f"its elements are {array.dtype}, not numbers",
                 help="save the frames as float32 or as integers")  # fmt: skip
    return found


def _named(arrays: Mapping[str, np.ndarray], inputs: Sequence[str],
           kept: str) -> dict[str, np.ndarray]:  # fmt: skip
    """What ``arrays`` have for each input. Raises KeyError, saying so, where there is nothing."""
    found = {}
    for name in inputs:
        others = ("x", *(arrays if len(arrays) == 1 else ())) if len(inputs) == 1 else ()
        key = next((key for key in (name, *others) if key in arrays), None)
        if key is None:
            raise KeyError(f"none is called {printable(name)}; {kept}")
        found[name] = arrays[key]
    return found


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
