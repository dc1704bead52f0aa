"""Staircases without what their inputs never show: thresholds out of reach, rows that are alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.graph import Graph
from hwgen.ir.types import TensorType
from hwgen.ops.threshold import Threshold
from hwgen.passes.rebuild import rebuild


def narrow_thresholds(graph: Graph) -> Graph:
    """``graph`` with every table as small as the range of its input lets it be."""
    nodes = [
        replace(node, op=narrowed(node.op, graph.input_types(node)[0].range))
        if isinstance(node.op, Threshold)
        else node
        for node in graph.nodes
    ]
    return rebuild(graph, nodes)


def narrowed(op: Threshold, x: IntRange) -> Threshold:
    """The same function of every x in range, with as many steps as its outputs have.

    One row serves all channels where all are alike within the range.
    """
    y = op.infer(TensorType((len(op.thresholds),), x)).range
    # Of a rising row the first step counts from y.lo, of a falling one from y.hi.
    start = np.where(op.falling, op.base + op.steps - y.hi, y.lo - op.base)
    kept = np.take_along_axis(op.thresholds, start[:, None] + np.arange(y.size - 1), 1)
    table, falling = np.clip(kept, x.lo, x.hi + 1), np.asarray(op.falling)
    if (table == table[:1]).all() and (falling == falling[0]).all():
        table, falling = table[:1], falling[:1]
    return op if table.shape == op.thresholds.shape else Threshold(table, y.lo, falling)
