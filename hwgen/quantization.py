"""``hwgen quantize`` as a function: files in, a model and its report out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwgen.core.errors import Diagnostics
from hwgen.core.limits import DEFAULT, Limits
from hwgen.frontends.file import ModelFile
from hwgen.intake import open_model, quantize_model
from hwgen.quantize import Report
from hwgen.quantize.statistics import Progress, silent


def command(
    model: str | Path, calib: str | Path, *, wbits: int, abits: int, method: str = "mse",
    progress: Progress = silent, limits: Limits = DEFAULT,
    external_data: str | Path | None = None, **options: Any,
) -> tuple[ModelFile, Report]:  # fmt: skip
    """Quantize the float ``model`` by the frames in ``calib``; nothing is written.

    ``options`` go to :func:`hwgen.quantize.post_training`. Raises HwgenError: HW101 and HW112 for
    the frames, HW110 for options, what reading a model and :func:`hwgen.quantize.quantize` raise.
    """
    problems = Diagnostics()
    for option, bits in (("--wbits", wbits), ("--abits", abits)):
        if not 1 <= bits <= 8:
            problems.add("HW110", where=option, why=f"must be 1 to 8, not {bits}",
                         help="`hwgen quantize --help` lists the options")  # fmt: skip
    problems.raise_if_any()
    return quantize_model(open_model(model, limits, external_data), Path(calib), limits, progress,
                          wbits=wbits, abits=abits, method=method, **options)  # fmt: skip
