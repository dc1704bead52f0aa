"""Random networks against onnxruntime: equal, different, or refused, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, run_source, source_of
from hwgen.ir.execute import run_frames
from tests.frontends.branches import FRAMES, Branches, random_branches


@dataclass(frozen=True)
class Verdict:
    """``different`` names the outputs that are; ``excused`` counts frames that stand at a tie of a
    transcendental function; ``reasons`` are those of a refusal, numbers left out.
    """

    seed: int
    net: Branches
    different: tuple[str, ...] = ()
    excused: int = 0
    reasons: tuple[str, ...] = ()


def drawn(seed: int, dialect: str = "") -> Branches:
    return random_branches(np.random.default_rng(seed), dialect)


def compared(seed: int, dialect: str = "") -> Verdict:
    """Every output of network ``seed``, element by element and type by type."""
    net = drawn(seed, dialect)
    source = source_of(net.model)
    theirs = run_source(source, net.frames, [*source.outputs, *(s.tensor for s in net.soft)])
    try:
        ours = run_frames(lift(source), net.frames)
    except HwgenError as error:
        return Verdict(seed, net, reasons=tuple(map(_reason, error.problems)))
    tie = np.zeros(FRAMES, bool)
    for soft in net.soft:
        tie |= soft.ties(theirs[soft.tensor])
    different = tuple(n for n in source.outputs if not _equal(ours[n], theirs[n], ~tie))
    return Verdict(seed, net, different, int(tie.sum()))


def _equal(ours: np.ndarray, theirs: np.ndarray, frames: np.ndarray) -> bool:
    same = ours.shape == theirs.shape and ours.dtype == theirs.dtype
    return same and np.array_equal(ours[frames], theirs[frames])


def _reason(problem) -> str:
    operator = re.findall(r"\((\w+)\)$", problem.where)
    why = re.sub(r"affine\(.*", "...", re.sub(r"-?\d[\d.e-]*", "#", problem.why))
    return f"{problem.code} {operator[0] if operator else 'model'}: {why}"
