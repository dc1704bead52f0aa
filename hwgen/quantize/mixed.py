"""Widths layer by layer: the least noise within a budget of weight bytes or of LUTs.

A layer's noise at a width is the relative squared error that rounding its weights alone makes at
its output, over calibration columns. Noise of layers adds up, and so does what they cost: bits of
weights, or the LUTs of the layer and of its thresholds as the cost model of the hardware has them.

The cheapest choice for each noise is found by joining the layers one by one and keeping, of all
choices so far, those that no other beats in both cost and noise: the exact optimum for every
budget at once, as the convex hull of Shoham and Gersho (IEEE Trans. ASSP 1988) is for those it
passes through. Long lists are thinned to one choice in each of :data:`GRAINS` steps of cost. The
list knows no budget, so that more budget never gives more noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from hwgen.core.errors import fail
from hwgen.frontends import Source
from hwgen.quantize import weights
from hwgen.quantize.options import Options
from hwgen.quantize.ptq import Session, products

WIDTHS = range(2, 9)
GRAINS = 1 << 14
ByWidth = Mapping[str, Mapping[int, float]]
Estimate = Callable[[Source], Mapping[str, float]]  # LUTs by layer, "" for what belongs to none


def search_bytes(session: Session, abits: int, budget: int,
                 options: Options) -> dict[str, tuple[int, int]]:  # fmt: skip
    """(weight, activation) bits by layer with at most ``budget`` bytes of weights.

    Activations stay at ``abits``. Raises HW110 where even 2 bits everywhere are too many bytes.
    """
    sizes = {layer.name: int(np.prod(layer.shape)) for layer in session.layers}
    costs = {name: {bits: size * bits / 8 for bits in WIDTHS} for name, size in sizes.items()}
    chosen = choose(noise(session, options), costs, budget, "bytes", session.net.name)
    return {name: (bits, abits) for name, bits in chosen.items()}


def search_luts(session: Session, abits: int, budget: int, options: Options,
                estimate: Estimate) -> dict[str, tuple[int, int]]:  # fmt: skip
    """(weight, activation) bits by layer whose hardware is estimated at ``budget`` LUTs at most.

    ``estimate`` is asked for each of :data:`WIDTHS`, on the model with all layers at that width and
    weights rounded to nearest, and for what is chosen. Raises HW110 where the smallest choice is too large.
    """
    plain = replace(options, bias_correction=False, rounding=None, sequential=False, widths=None,
                    bit_allocation=False, edge_bits=1, method=options.clip)  # fmt: skip
    found = {}
    for bits in WIDTHS:
        session.progress(f"estimating LUTs with {bits} bits of weights")
        found[bits] = estimate(session.run(bits, abits, plain).source)
    names = [layer.name for layer in session.layers]
    costs = {n: {bits: found[bits].get(n, 0.0) for bits in WIDTHS} for n in names}
    rest = max(sum(of.values()) - sum(of.get(n, 0.0) for n in names) for of in found.values())
    curves = noise(session, options)
    while True:  # a link's lanes depend on the layers at both ends, so that a mixture may cost more
        chosen = choose(curves, costs, budget, "LUT", session.net.name, rest)
        widths = {name: (bits, abits) for name, bits in chosen.items()}
        mixed = session.run(max(WIDTHS), abits, replace(plain, widths=widths))
        over = sum(estimate(mixed.source).values()) - budget
        if over <= 0:
            return widths
        rest += max(over, 1.0)


def noise(session: Session, options: Options) -> dict[str, dict[int, float]]:
    """The noise of each layer at each of :data:`WIDTHS`."""
    found: dict[str, dict[int, float]] = {}
    for layer in session.layers:
        w = layer.rows(session.net.arrays[layer.weight]).astype(np.float64)
        x = session.columns.get(layer.name)
        groups = weights.sharing(w, per_channel=options.per_channel, subtensor=options.subtensor)
        found[layer.name] = {}
        for bits in WIDTHS:
            width = np.full(len(w), bits)
            scale = weights.scales(w, width, groups, options.clip)
            change = w - weights.nearest(w, scale, width).rows
            if x is None:
                error, signal = np.square(change).sum(), np.square(w).sum()
            else:
                error, signal = (np.square(products(x, v)).sum() for v in (change, w))
            found[layer.name][bits] = float(error / signal) if signal else 0.0
    return found


def choose(curves: ByWidth, costs: ByWidth, budget: float, unit: str = "", where: str = "",
           rest: float = 0.0) -> dict[str, int]:  # fmt: skip
    """Bits by layer of least noise that cost ``budget`` at most, ``rest`` of it whatever is chosen.

    ``curves`` and ``costs`` have the noise and the cost of each layer at each width. Raises HW110.
    """
    cost, trail = _front(curves, costs)
    place = int(np.searchsorted(cost, budget - rest, side="right")) - 1
    if place < 0:
        least = int(np.ceil(cost[0] + rest))
        fail("HW110", where=where, why=f"a budget of {budget:g} {unit}: {least} is the least",
             help=f"{min(WIDTHS)} bits per weight are the fewest of this search")  # fmt: skip
    bits = {}
    for name, (before, widths) in zip(reversed(list(curves)), reversed(trail), strict=True):
        bits[name] = int(widths[place])
        place = int(before[place])
    return {name: bits[name] for name in curves}


def _front(
    curves: ByWidth, costs: ByWidth
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Costs in rising order, each with less noise than all before it.

    The trail has, layer by layer, each choice's place in the list without that layer, and its bits.
    """
    step = sum(max(of.values()) for of in costs.values()) / GRAINS
    cost, error, trail = np.zeros(1), np.zeros(1), []
    for name, curve in curves.items():
        widths = np.array(sorted(curve))
        spent = (cost[:, None] + [costs[name][bits] for bits in widths]).ravel()
        made = (error[:, None] + [curve[bits] for bits in widths]).ravel()
        order = np.lexsort((made, spent))
        lowest = np.minimum.accumulate(made[order])
        kept = order[np.append(True, lowest[1:] < lowest[:-1])]
        if len(kept) > GRAINS:
            grain = (spent[kept] // step).astype(np.int64)
            kept = kept[np.append(True, grain[1:] != grain[:-1])]
        trail.append((kept // len(widths), widths[kept % len(widths)]))
        cost, error = spent[kept], made[kept]
    return cost, trail
