"""The ways to build a stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hwgen.ir.graph import Graph, Node
from hwgen.lowering import Cost, Folding, Lowering


@dataclass(frozen=True, eq=False)
class Option:
    """One way to build a stage."""

    lowering: Lowering
    folding: Folding
    cost: Cost

    @property
    def size_without_dsps(self) -> float:
        """Area as one number: a block RAM weighs like the LUTs it saves."""
        return self.cost.lut + 0.3 * self.cost.ff + 150 * self.cost.bram

    @property
    def size(self) -> float:
        """Area as one number, a DSP like the LUTs it saves."""
        return self.size_without_dsps + 100 * self.cost.dsp


def options(graph: Graph, node: Node, dsp: str | None = None) -> list[Option]:
    """Every legal way to build ``node``, from least to most hardware.

    Without ``dsp``, those whose MAC arrays are LUTs; with it, those that need DSPs of that kind
    (:data:`hwgen.lowering.DSPS`).
    """
    types, lowerings = graph.input_types(node), Lowering.of(node.op)
    ways: Iterable[Lowering] = lowerings
    if dsp is not None:
        ways = (variant for lowering in lowerings for variant in lowering.in_dsps(dsp))
    found = [
        Option(lowering, folding, lowering.cost(node.op, folding, *types))
        for lowering in ways
        if lowering.applies(node.op, *types)
        for folding in lowering.foldings(node.op, *types)
    ]
    return sorted(found, key=lambda option: (option.size, option.cost.interval, option.folding))
