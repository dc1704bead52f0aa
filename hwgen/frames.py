"""Frames of model inputs in files: NumPy arrays only, never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen.core.errors import fail
from hwgen.ir.graph import Port


def load_frames(path: Path, port: Port) -> np.ndarray:
    """Frames ``(N, *shape)`` in the element type of ``port``; see :func:`read_array`.

    A single frame may come without its batch axis. Raises HW101 and HW112.
    """
    return fit_frames(read_array(path), port, str(path))


def read_array(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file, or array ``x`` of an ``.npz`` file. Raises HW101, HW112."""
    if not path.is_file():
        fail("HW101", where=str(path), why="no such file", help="give an .npy file of frames")
    try:
        content = np.load(path, allow_pickle=False)
        array = content if isinstance(content, np.ndarray) else content["x"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        fail("HW112", where=str(path), why=f"not an array of numbers: {error}",
             help="save frames with numpy.save")  # fmt: skip
    if array.dtype.kind not in "fiub":
        fail("HW112", where=str(path), why=f"its elements are {array.dtype}, not numbers")
    return array


def fit_frames(array: np.ndarray, port: Port, where: str = "input") -> np.ndarray:
    """``array`` as frames of ``port``, in its element type. Raises HW112 where it does not fit."""
    shape = port.index.shape
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape or not len(array):
        fail("HW112", where=where, why=f"its shape is {array.shape}",
             help=f"give {('N', *shape)}, one frame after another".replace("'", ""))  # fmt: skip
    if not np.isfinite(array).all():
        fail("HW112", where=where, why="it holds NaN or infinity", help="give finite numbers")
    kind = np.dtype(port.dtype)
    if kind.kind in "iu" and array.size:
        limits = np.iinfo(kind)
        if array.min() < limits.min or array.max() > limits.max or (array != np.rint(array)).any():
            fail("HW112", where=where, why=f"its values are not all {kind}",
                 help=f"give integers in {limits.min}..{limits.max}")  # fmt: skip
    return array.astype(kind)
