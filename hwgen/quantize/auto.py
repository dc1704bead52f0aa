"""``--method auto``: tries, measures, says what it chose and why.

Frames are split: even ones calibrate, odd ones judge. First the methods of clipping compete with
bias correction on, then the best of them with each equalization, then the best of those with
learned rounding, and last the best of all with layers that make up for those before them. The candidate whose decisions most often agree with the float model wins; among
those within a standard error of it, or where there is nothing to decide, the one with the highest
output SQNR. The winner is then calibrated on all frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hwgen.core.errors import fail
from hwgen.frontends import Source
from hwgen.quantize.adaround import Rounding
from hwgen.quantize.options import EQUALIZERS, Options
from hwgen.quantize.ptq import Quantized, Session
from hwgen.quantize.sqnr import compare
from hwgen.quantize.statistics import Progress, checked, silent

CLIPS = ("minmax", "percentile", "mse", "aciq", "aciq-grid")


@dataclass(frozen=True)
class Trial:
    """One candidate, what it scored on the judging frames."""

    options: Options
    sqnr: float
    agreement: float | None

    def __str__(self) -> str:
        alike = "" if self.agreement is None else f", {self.agreement:.1%} decided alike"
        return f"{self.options}: {self.sqnr:.1f} dB{alike}"


def choose(
    source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray],
    base: Options, progress: Progress = silent,
) -> tuple[Quantized, tuple[str, ...]]:  # fmt: skip
    """The best model found, and a line for each candidate, the chosen one first.

    ``base`` holds what all candidates have in common. Raises HW112 for fewer than 4 frames.
    """
    frames = checked(source, calibration)
    count = len(next(iter(frames.values())))
    if count < 4:
        fail("HW112", where=source.name, why=f"{count} calibration frames cannot be split",
             help="give at least 4, better some dozens")  # fmt: skip
    fit = {name: array[::2] for name, array in frames.items()}
    judge = {name: array[1::2] for name, array in frames.items()}
    base = replace(base, method="mse", bias_correction=True, rounding=None)
    sessions: dict[str, Session] = {}
    trials: list[Trial] = []

    def attempt(options: Options) -> None:
        progress(f"trying {options}")
        session = sessions.get(options.equalizer) or Session(source, fit, options, progress)
        sessions[options.equalizer] = session
        made = session.run(wbits, abits, options)
        _, sqnr, alike = compare(session.float_model, made.source, judge, [])
        trials.append(Trial(options, sqnr, alike))

    for clip in CLIPS:
        attempt(replace(base, method=clip))
    found = best(trials, len(judge[source.inputs[0]])).options
    for kind in EQUALIZERS if not base.equalize else ():
        attempt(replace(found, equalize=kind))
    found = best(trials, len(judge[source.inputs[0]])).options
    if wbits > 1:
        attempt(replace(found, rounding=Rounding()))
    found = best(trials, len(judge[source.inputs[0]])).options
    attempt(replace(found, sequential=True))
    winner = best(trials, len(judge[source.inputs[0]]))
    lines = [f"chosen of {len(trials)} candidates: {winner}", reason(trials, winner)]
    lines += [f"tried {trial}" for trial in trials if trial is not winner]
    session = Session(source, frames, winner.options, progress)
    return session.run(wbits, abits, winner.options), tuple(lines)


def reason(trials: list[Trial], winner: Trial) -> str:
    """Why the winner won."""
    if winner.agreement is None:
        return "for the highest output SQNR on frames that did not calibrate"
    most = max(trial.agreement or 0.0 for trial in trials)
    if winner.agreement == most and sum(trial.agreement == most for trial in trials) == 1:
        return "for most frames decided alike, of frames that did not calibrate"
    return (f"for the highest output SQNR of those within a standard error of {most:.1%} decided "
            "alike, on frames that did not calibrate")  # fmt: skip


def best(trials: list[Trial], frames: int) -> Trial:
    """The winner, as the module says."""
    agreements = [trial.agreement for trial in trials if trial.agreement is not None]
    if not agreements:
        return max(trials, key=lambda trial: trial.sqnr)
    most = max(agreements)
    error = (most * (1 - most) / frames) ** 0.5
    near = [trial for trial in trials if (trial.agreement or 0.0) >= most - error]
    return max(near, key=lambda trial: trial.sqnr)
