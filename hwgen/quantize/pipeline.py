"""Quantize and report: with one method or the best of all, at given widths or within a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hwgen.frontends import Source
from hwgen.quantize.auto import choose
from hwgen.quantize.mixed import search_widths
from hwgen.quantize.options import Options
from hwgen.quantize.ptq import Quantized, Session
from hwgen.quantize.sqnr import Report
from hwgen.quantize.statistics import Progress, silent


def post_training(
    source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray],
    method: str = "mse", *, budget_bytes: int | None = None, progress: Progress = silent,
    **options: Any,
) -> tuple[Source, Report]:  # fmt: skip
    """The quantized model and its :class:`Report`, for frames ``(N, ...)`` by input name.

    ``method`` is one of :data:`hwgen.quantize.clipping.METHODS`, ``adaround`` or ``auto``;
    ``options`` are the other fields of :class:`Options`. ``budget_bytes`` searches the weight bits
    of each layer instead of taking ``wbits``. Raises what :func:`hwgen.quantize.quantize` raises.
    """
    made, choices = quantized(source, wbits, abits, calibration, method,
                              budget_bytes=budget_bytes, progress=progress, **options)  # fmt: skip
    progress("comparing with the float model")
    return made.source, made.report(choices)


def quantized(
    source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray],
    method: str = "mse", *, budget_bytes: int | None = None, progress: Progress = silent,
    **options: Any,
) -> tuple[Quantized, tuple[str, ...]]:  # fmt: skip
    """The same without comparing: the model, and a line for each choice that was made."""
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
    return made, choices
