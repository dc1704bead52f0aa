"""``hwgen quantize`` as a function: files in, a model and its report out; nothing is written."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.core.errors import fail
from hwgen.frames import read_array
from hwgen.frontends import Source, read_model
from hwgen.quantize.auto import choose
from hwgen.quantize.mixed import search_widths
from hwgen.quantize.options import Options
from hwgen.quantize.ptq import Session
from hwgen.quantize.sqnr import Report
from hwgen.quantize.statistics import Progress, silent


def command(
    model: str | Path, calib: str | Path, *, wbits: int, abits: int, method: str = "mse",
    budget_bytes: int | None = None, progress: Progress = silent, **options: Any,
) -> tuple[Source, Report]:  # fmt: skip
    """Quantize the float ``model`` by the frames in ``calib``.

    ``method`` is one of :data:`hwgen.quantize.clipping.METHODS`, ``adaround`` or ``auto``;
    ``options`` are the other fields of :class:`Options`. ``budget_bytes`` searches the weight bits
    of each layer instead of taking ``wbits``. The caller writes
    ``source.model.SerializeToString()``. Raises HwgenError: HW101 and HW112 for the frames,
    those of :func:`read_model` and of :func:`hwgen.quantize.quantize` for the rest.
    """
    source = read_model(model)
    return post_training(source, wbits, abits, load(source, Path(calib)), method,
                         budget_bytes=budget_bytes, progress=progress, **options)  # fmt: skip


def post_training(
    source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray],
    method: str = "mse", *, budget_bytes: int | None = None, progress: Progress = silent,
    **options: Any,
) -> tuple[Source, Report]:  # fmt: skip
    """The quantized model and its :class:`Report`, for frames ``(N, ...)`` by input name."""
    chosen = Options("mse" if method == "auto" else method, **options)
    choices: tuple[str, ...] = ()
    if budget_bytes is not None:
        session = Session(source, calibration, chosen, progress)
        session.bits(wbits, abits, chosen)  # only checks them
        chosen = replace(chosen, widths=search_widths(session, abits, budget_bytes, chosen))
        bits = ", ".join(f"{name} {w}" for name, (w, _) in (chosen.widths or {}).items())
        choices = (f"weight bits within {budget_bytes} bytes: {bits}",)
    if method == "auto":
        made, tried = choose(source, wbits, abits, calibration, chosen, progress)
        choices += tried
    else:
        made = Session(source, calibration, chosen, progress).run(wbits, abits, chosen)
    progress("comparing with the float model")
    return made.source, made.report(choices)


def load(source: Source, path: Path) -> dict[str, np.ndarray]:
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
