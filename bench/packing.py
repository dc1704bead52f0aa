"""LUT6 sites of a mapped Xilinx netlist: which pairs of LUTs can share one LUT6_2.

A 7-series site computes one function of six inputs, or two functions of together at most five (O6
and O5, with the sixth input tied high). The number of sites is the number of LUTs less a matching
of such pairs; two LUTs that drive S of a carry chain never pair, for each is fixed to its own bit
of the chain. The matching is greedy, fewest choices first (after Karp and Sipser), so the count is
an upper bound of the optimum.

``strict`` also counts the pins of the slice: beside a LUT on S, O5 leaves the slice only where the
sum itself does not (the sum is unused, or goes into the flip-flop beside it), or else drives DI of
the same bit.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

from bench.netlist import Netlist

SHARED_INPUTS = 5


def sites(netlist: Netlist, *, strict: bool = False) -> int:
    """LUT6 sites that the LUTs of ``netlist`` take."""
    inputs = [frozenset(lut.inputs) for lut in netlist.luts]
    driven = {s for carry in netlist.carries for s in carry.s}
    chained = {k for k, lut in enumerate(netlist.luts) if lut.output in driven}
    shared = pairs(inputs, chained, _fixed(netlist) if strict else {})
    return len(inputs) + len(netlist.delays) - len(shared)


def pairs(
    inputs: list[frozenset[int]], chained: set[int], alone: dict[int, int]
) -> list[tuple[int, int]]:
    """A matching of LUTs by index. Two of ``chained`` never pair; ``alone[i]`` is the only partner
    that i may have, or -1."""

    def fits(i: int, j: int) -> bool:
        if i in chained and j in chained:
            return False
        if alone.get(i, j) != j or alone.get(j, i) != i:
            return False
        return len(inputs[i] | inputs[j]) <= SHARED_INPUTS

    readers: dict[int, list[int]] = defaultdict(list)
    for index, nets in enumerate(inputs):
        if len(nets) <= SHARED_INPUTS:
            for net in nets:
                readers[net].append(index)
    near: dict[int, set[int]] = defaultdict(set)
    for group in readers.values():
        for i, j in combinations(group[:200], 2):
            if fits(i, j):
                near[i].add(j)
                near[j].add(i)
    chosen = _match(near)
    taken = {i for pair in chosen for i in pair}
    # Functions without a common input pair as well: one of two inputs with one of up to three.
    rest = [i for i, nets in enumerate(inputs) if i not in taken and len(nets) <= 4]
    rest = sorted((i for i in rest if i not in alone), key=lambda i: len(inputs[i]))
    while len(rest) > 1:
        small = rest.pop(0)
        partner = next((j for j in reversed(rest) if fits(small, j)), None)
        if partner is None:
            continue
        rest.remove(partner)
        chosen.append((small, partner))
    return chosen


def _match(near: dict[int, set[int]]) -> list[tuple[int, int]]:
    """Greedy matching: the vertex with the fewest free neighbours takes the one with the fewest."""
    free = {i: set(others) for i, others in near.items()}
    buckets: dict[int, set[int]] = defaultdict(set)
    for i, others in free.items():
        buckets[len(others)].add(i)

    def remove(i: int) -> None:
        buckets[len(free[i])].discard(i)
        for j in free.pop(i):
            buckets[len(free[j])].discard(j)
            free[j].discard(i)
            buckets[len(free[j])].add(j)

    chosen = []
    while free:
        degree = min(d for d, members in buckets.items() if members)
        i = min(buckets[degree])
        if not degree:
            remove(i)
            continue
        j = min(free[i], key=lambda k: (len(free[k]), k))
        chosen.append((i, j))
        remove(i)
        remove(j)
    return chosen


def _fixed(netlist: Netlist) -> dict[int, int]:
    """For each LUT on an S input whose sum leaves the slice by itself: the LUT on DI, or -1."""
    driver = {lut.output: index for index, lut in enumerate(netlist.luts)}
    fixed: dict[int, int] = {}
    for carry in netlist.carries:
        for s, di, o in zip(carry.s, carry.di, carry.o, strict=True):
            if s in driver and netlist.read_by_logic(o):
                partner = driver.get(di, -1)
                fixed[driver[s]] = partner if partner != driver[s] else -1
    return fixed
