"""Graph to graph: each pass has one reason to exist, and leaves every output as it was."""

from __future__ import annotations

from collections.abc import Callable

from hwgen.ir.graph import Graph
from hwgen.ir.verify import verify
from hwgen.passes.compose_thresholds import compose_thresholds
from hwgen.passes.merge_reshapes import merge_reshapes
from hwgen.passes.narrow_thresholds import narrow_thresholds

Pass = Callable[[Graph], Graph]

PASSES: tuple[Pass, ...] = (
    merge_reshapes,  # first: a view between two operators hides them from each other
    compose_thresholds,  # two staircases in a row are one
    narrow_thresholds,  # last: composed tables have steps that nothing reaches
)


def run_passes(graph: Graph, passes: tuple[Pass, ...] = PASSES) -> Graph:
    """``graph`` after every pass, checked before the first and after each."""
    verify(graph)
    for step in passes:
        graph = step(graph)
        verify(graph)
    return graph
