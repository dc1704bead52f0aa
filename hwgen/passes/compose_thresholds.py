"""Two staircases in a row are one: ``T2(T1(x))`` is again a staircase of x."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.graph import Graph, Node
from hwgen.ops.threshold import Threshold
from hwgen.passes.rebuild import rebuild


def compose_thresholds(graph: Graph) -> Graph:
    """``graph`` with every threshold that alone reads another one merged with it."""
    makers: dict[str, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        first = makers.get(node.inputs[0])
        alone = len(graph.consumers(node.inputs[0])) == 1
        read_outside = any(port.value == node.inputs[0] for port in graph.outputs)
        if isinstance(node.op, Threshold) and first and alone and not read_outside:
            assert isinstance(first.op, Threshold)
            merged = compose(first.op, node.op, graph.type(first.inputs[0]).range)
            node = replace(
                node, op=merged, inputs=first.inputs, origin=(*first.origin, *node.origin)
            )
        if isinstance(node.op, Threshold):
            makers[node.output] = node
        nodes.append(node)
    return rebuild(graph, nodes)


def compose(first: Threshold, second: Threshold, x: IntRange) -> Threshold:
    """The staircase ``second(first(x))`` for every x in range."""
    rows = max(len(first.thresholds), len(second.thresholds))
    levels = np.arange(first.steps + 1)  # how many thresholds of the first are reached
    tables, falling, lowest = [], [], []
    for row in range(rows):
        c1, c2 = min(row, len(first.thresholds) - 1), min(row, len(second.thresholds) - 1)
        middle = first.base + (first.steps - levels if first.falling[c1] else levels)
        count = np.searchsorted(second.thresholds[c2], middle, side="right")
        y = second.base + (second.steps - count if second.falling[c2] else count)
        rise = np.diff(y)
        falling.append(int(bool((rise < 0).any())))
        tables.append(np.repeat(first.thresholds[c1], np.abs(rise)))
        lowest.append(int(y.min()))
    base = min(lowest)
    highest = max(low + len(table) for low, table in zip(lowest, tables, strict=True))
    # Rows of unequal height: one that starts higher meets its first steps below the range, one
    # that ends lower meets its last beyond it. A falling row counts them the other way round.
    full = np.full((rows, highest - base), x.hi + 1, dtype=np.int64)
    for row, (table, low) in enumerate(zip(tables, lowest, strict=True)):
        before = highest - low - len(table) if falling[row] else low - base
        full[row, :before] = x.lo
        full[row, before : before + len(table)] = np.clip(table, x.lo, x.hi + 1)
    return Threshold(full, base, tuple(falling))
