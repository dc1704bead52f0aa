"""Quantize and report: with one method or the best of all, at given widths or within a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hwgen.core.errors import fail
from hwgen.frontends import Source
from hwgen.quantize.auto import choose
from hwgen.quantize.mixed import Estimate, search_bytes, search_luts
from hwgen.quantize.options import Options
from hwgen.quantize.ptq import Quantized, Session
from hwgen.quantize.sqnr import Report, short
from hwgen.quantize.statistics import Progress, silent


def post_training(
    source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray],
    method: str = "mse", *, budget_bytes: int | None = None, budget_luts: int | None = None,
    estimate: Estimate | None = None, progress: Progress = silent, **options: Any,
) -> tuple[Source, Report]:  # fmt: skip
    """The quantized model and its :class:`Report`, for frames ``(N, ...)`` by input name.

    ``method`` is one of :data:`hwgen.quantize.clipping.METHODS`, ``adaround`` or ``auto``;
    ``options`` are the other fields of :class:`Options`. ``budget_bytes`` or ``budget_luts`` searches
    the weight bits of each layer instead of taking ``wbits``; the latter asks ``estimate``, such as
    :func:`hwgen.budget.estimator` makes. Raises what :func:`hwgen.quantize.quantize` raises.
    """
    made, choices = quantized(source, wbits, abits, calibration, method,
                              budget_bytes=budget_bytes, budget_luts=budget_luts,
                              estimate=estimate, progress=progress, **options)  # fmt: skip
    progress("comparing with the float model")
    return made.source, made.report(choices)


def quantized(
    source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray],
    method: str = "mse", *, budget_bytes: int | None = None, budget_luts: int | None = None,
    estimate: Estimate | None = None, progress: Progress = silent, **options: Any,
) -> tuple[Quantized, tuple[str, ...]]:  # fmt: skip
    """The same without comparing: the model, and a line for each choice that was made."""
    chosen = Options("mse" if method == "auto" else method, **options)
    choices: tuple[str, ...] = ()
    if budget_bytes is not None or budget_luts is not None:
        session = Session(source, calibration, chosen, progress)
        session.bits(wbits, abits, chosen)  # only checks them
        if budget_luts is not None:
            if estimate is None:
                fail("HW110", where="budget_luts", why="nothing estimates LUTs",
                     help="give estimate=hwgen.budget.estimator()")  # fmt: skip
            unit, widths = "LUT", search_luts(session, abits, budget_luts, chosen, estimate)
        else:
            unit, widths = "bytes", search_bytes(session, abits, budget_bytes or 0, chosen)
        chosen = replace(chosen, widths=widths)
        bits = ", ".join(f"{short(name)} {w}" for name, (w, _) in widths.items())
        choices = (f"weight bits within {budget_luts or budget_bytes} {unit}: {bits}",)
    if method == "auto":
        made, tried = choose(source, wbits, abits, calibration, chosen, progress)
        choices += tried
    else:
        made = Session(source, calibration, chosen, progress).run(wbits, abits, chosen)
    if budget_luts is not None and estimate is not None:
        luts = sum(estimate(made.source).values())
        choices = (*choices[:1], f"estimated at {luts:.0f} LUT", *choices[1:])
    return made, choices
