"""Sub-tensor quantization: the channels of a weight in G groups, each with one scale.

After Dinh, Melnikov, Daskalopoulos, Chai: Subtensor quantization for MobileNets, arXiv 2011.08009,
whose abstract states the idea; the partition is ours. Channels are sorted by range and cut into G
runs so that the sum of the expected rounding errors is least. With step ``range / levels`` a group
errs in proportion to ``elements * range^2``, so that the cost of a run is its elements times the
square of its greatest range. The best cuts come from dynamic programming over the sorted ranges,
in ``O(G C^2)``.

``G = 1`` is one scale per tensor, ``G = C`` one per channel; hardware keeps G rescaling constants.
Groups exist along the outputs of weights only. An activation has one scale per edge, since products
of different scales cannot be summed as integers.
"""

from __future__ import annotations

import numpy as np


def partition(ranges: np.ndarray, groups: int) -> np.ndarray:
    """The group ``0..groups-1`` of each channel, for channels of equal size.

    ``ranges (C,)`` are greatest magnitudes. Groups are numbered by rising range; there are at most
    ``groups`` of them.
    """
    order = np.argsort(ranges, kind="stable")
    square = np.square(np.asarray(ranges, np.float64)[order])
    count = len(square)
    groups = min(groups, count)
    # cost[j]: the least cost of the first j channels; a run i..j-1 costs (j - i) * square[j-1]
    cost = np.concatenate([[0.0], np.full(count, np.inf)])
    cuts = np.zeros((groups, count + 1), np.int64)
    for g in range(groups):
        last, cost = cost, np.full(count + 1, np.inf)
        cost[0] = 0.0
        for j in range(1, count + 1):
            runs = last[:j] + (j - np.arange(j)) * square[j - 1]
            cuts[g, j] = int(np.argmin(runs))
            cost[j] = runs[cuts[g, j]]
    labels, end = np.empty(count, np.int64), count
    for g in reversed(range(groups)):
        start = int(cuts[g, end])
        labels[order[start:end]] = g
        end = start
    return labels
