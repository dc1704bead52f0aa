"""Widths layer by layer: the least noise that fits a budget of weight bytes.

A layer's noise at a width is the relative squared error that rounding its weights alone makes at
its output, over calibration columns. Noise of layers adds up, and so do their bytes. The search
starts at the widest and takes, again and again, the narrowing that costs least noise per bit saved,
over any number of bits at once: the lower convex hull of each layer's curve, which is the best
allocation for every budget that it passes through (Shoham and Gersho, Efficient bit allocation for
an arbitrary set of quantizers, IEEE Trans. ASSP 1988).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwgen.core.errors import fail
from hwgen.quantize import weights
from hwgen.quantize.options import Options
from hwgen.quantize.ptq import Session, products

WIDTHS = range(2, 9)
Noise = Mapping[str, Mapping[int, float]]


def search_widths(
    session: Session, abits: int, budget_bytes: int, options: Options
) -> dict[str, tuple[int, int]]:
    """(weight, activation) bits by layer with at most ``budget_bytes`` of weights.

    Activations stay at ``abits``. Raises HW110 where even 2 bits everywhere are too many bytes.
    """
    sizes = {layer.name: int(np.prod(layer.shape)) for layer in session.layers}
    chosen = narrow(noise(session, options), sizes, budget_bytes, where=session.net.name)
    return {name: (bits, abits) for name, bits in chosen.items()}


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


def narrow(curves: Noise, sizes: Mapping[str, int], budget_bytes: int, *,
           where: str = "") -> dict[str, int]:  # fmt: skip
    """Bits by layer whose weights fit the budget.

    From the widest of each curve down the hull; what the last step leaves of the budget then widens
    layers again, most noise saved per bit first. Never noisier than one width for all.
    """
    bits = {name: max(curve) for name, curve in curves.items()}

    def total(chosen: Mapping[str, int]) -> int:
        return sum(sizes[name] * width for name, width in chosen.items())

    def steps(sign: int) -> list[tuple[float, str, int]]:
        """Noise per bit of every narrowing (``sign`` 1) or widening (-1) of one layer."""
        return [
            ((curve[new] - curve[old]) / (sizes[name] * abs(old - new)), name, new)
            for name, curve in curves.items() for old in (bits[name],) for new in curve
            if sign * (old - new) > 0
        ]  # fmt: skip

    while total(bits) > 8 * budget_bytes:
        narrower = steps(1)
        if not narrower:
            least = -(-total(bits) // 8)
            fail("HW110", where=where, why=f"{budget_bytes} bytes of weights: {least} is the least",
                 help=f"{min(WIDTHS)} bits per weight are the fewest of this search")  # fmt: skip
        _, name, new = min(narrower)
        bits[name] = new
    while wider := [s for s in steps(-1) if total({**bits, s[1]: s[2]}) <= 8 * budget_bytes]:
        _, name, new = min(wider)
        bits[name] = new
    shared = set.intersection(*(set(curve) for curve in curves.values()))
    even = [{name: width for name in curves} for width in shared]  # noqa: C420
    fitting = [bits, *(chosen for chosen in even if total(chosen) <= 8 * budget_bytes)]
    return min(fitting, key=lambda chosen: sum(curves[n][b] for n, b in chosen.items()))
