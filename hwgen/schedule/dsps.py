"""Which stages multiply in DSPs, where a design may have some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from hwgen.schedule.option import Option

Way = tuple[int, float, Option]  # DSPs, size in LUTs, what it is

LEAST_GAIN = 10  # LUTs that a DSP must save

Chosen = TypeVar("Chosen")


def spend(ways: Mapping[str, Sequence[Option]], most: int | None) -> dict[str, Option]:
    """One of the options of each stage, of which the first needs no DSP for a MAC array: the
    least size in all, with ``most`` DSPs at most in all (None: any number).

    Every DSP counts as :data:`LEAST_GAIN` LUTs. With a bound it is the optimum, by the pairs of
    DSPs and size that no other pair beats, stage by stage. Where the first options alone take more
    than ``most``, they are what is chosen.
    """
    fronts = {name: _front([(o.cost.dsp, _size(o), o) for o in options])
              for name, options in ways.items()}  # fmt: skip
    if most is None:
        return {name: front[-1][2] for name, front in fronts.items()}
    sums: list[tuple[int, float, tuple[Option, ...]]] = [(0, 0.0, ())]
    for front in fronts.values():
        sums = _front([
            (used + dsps, size + more, (*chosen, option))
            for used, size, chosen in sums
            for dsps, more, option in front
            if used + dsps <= most
        ])  # fmt: skip
    if not sums:
        return {name: options[0] for name, options in ways.items()}
    return dict(zip(fronts, sums[-1][2], strict=True))


def _size(option: Option) -> float:
    """Area as one number where DSPs are there to be used."""
    return option.size_without_dsps + LEAST_GAIN * option.cost.dsp


def _front(ways: list[tuple[int, float, Chosen]]) -> list[tuple[int, float, Chosen]]:
    """The ways that none beats in both numbers; more DSPs, smaller size."""
    kept: list[tuple[int, float, Chosen]] = []
    for way in sorted(ways, key=lambda way: way[:2]):
        if not kept or way[1] < kept[-1][1]:
            kept.append(way)
    return kept
