"""``hwgen quantize`` as a function: files in, a model and its report out; nothing is written."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.core.errors import fail
from hwgen.frames import read_array
from hwgen.frontends import Source, read_model
from hwgen.quantize import Report, post_training
from hwgen.quantize.statistics import Progress, silent


def command(
    model: str | Path, calib: str | Path, *, wbits: int, abits: int, method: str = "mse",
    progress: Progress = silent, **options: Any,
) -> tuple[Source, Report]:  # fmt: skip
    """Quantize the float ``model`` by the frames in ``calib``.

    The rest goes to :func:`hwgen.quantize.post_training`. The caller writes
    ``source.model.SerializeToString()``. Raises HwgenError: HW101 and HW112 for the frames, those
    of :func:`read_model` and of :func:`hwgen.quantize.quantize` for the rest.
    """
    source = read_model(model)
    return post_training(source, wbits, abits, load_calibration(source, Path(calib)), method,
                         progress=progress, **options)  # fmt: skip


def load_calibration(source: Source, path: Path) -> dict[str, np.ndarray]:
    """Frames by input name: an array for a model of one input, else arrays named as the inputs."""
    if len(source.inputs) == 1:
        return {source.inputs[0]: read_array(path)}
    if not zipfile.is_zipfile(path):
        fail("HW112", where=str(path), why=f"the model has {len(source.inputs)} inputs",
             help=f"give an .npz with arrays {', '.join(source.inputs)}")  # fmt: skip
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in source.inputs if name in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        fail("HW112", where=str(path), why=f"it cannot be read: {error}",
             help="save the frames with numpy.savez")  # fmt: skip
