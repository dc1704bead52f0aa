"""Where to clip a tensor: methods by name, each from a distribution to the top code's value.

A scale is the clip over the top code, ``scale = alpha / grid.hi``. ``before`` is the distribution
ahead of the ReLU that made the tensor, where a ReLU did: that is what the priors of ACIQ describe.
No method clips beyond the greatest magnitude that was seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.quantize.aciq import PRIORS, cell_clip, grid_clip
from hwgen.quantize.grid import Grid
from hwgen.quantize.statistics import Distribution

KEPT = 0.999
SHARES = 64  # clips tried by `mse`, and again as many between the best one's neighbours
Method = Callable[[Distribution, Grid, Distribution | None], float]


def scale_of(method: str, seen: Distribution, grid: Grid,
             before: Distribution | None = None) -> float:  # fmt: skip
    """The scale that ``method`` chooses; a tensor of zeros gets 1.

    One signed bit has the scale ``E|x|`` whatever the method: of all scales of a sign it has the
    least squared error (Rastegari et al., XNOR-Net, ECCV 2016).
    """
    if seen.greatest == 0:
        return 1.0
    if grid.sign:
        return seen.mean_abs
    alpha = METHODS[method](seen, grid, before)
    return min(alpha, seen.greatest) / grid.hi


def error(seen: Distribution, grid: Grid, alphas: np.ndarray) -> np.ndarray:
    """The mean squared error of ``grid`` on ``seen`` for each clip."""
    scales = (alphas / grid.hi)[:, None]
    return np.square(grid(seen.values, scales) - seen.values) @ seen.weights / seen.weights.sum()


def minmax(seen: Distribution, grid: Grid, _: Distribution | None) -> float:
    """Nothing is clipped."""
    if grid.signed and not grid.narrow:  # the lowest code reaches one step further
        return max(seen.max, -seen.min * grid.hi / -grid.lo)
    return seen.greatest


def percentile(seen: Distribution, grid: Grid, _: Distribution | None) -> float:
    """One in a thousand elements is clipped."""
    del grid
    magnitude = np.abs(seen.values)
    order = np.argsort(magnitude)
    share = np.cumsum(seen.weights[order]) / seen.weights.sum()
    place = int(np.searchsorted(share, KEPT))
    return float(magnitude[order[min(place, len(order) - 1)]]) or seen.greatest


def mse(seen: Distribution, grid: Grid, _: Distribution | None) -> float:
    """Least squared error over the distribution: a search over clips, coarse and then fine."""
    coarse = seen.greatest * np.arange(1, SHARES + 1) / SHARES
    best = int(np.argmin(error(seen, grid, coarse)))
    lo, hi = coarse[max(best - 1, 0)], coarse[min(best + 1, SHARES - 1)]
    fine = np.append(np.linspace(lo, hi, SHARES), coarse[best])
    return float(fine[np.argmin(error(seen, grid, fine))])


def prior_clip(prior: str, seen: Distribution, grid: Grid, before: Distribution | None, *,
               realisable: bool) -> float:  # fmt: skip
    """The clip of ACIQ for one prior, in the published cells or on the realisable grid.

    Behind a ReLU the prior's mean and spread are those ahead of it. Where no ReLU stands, an
    unsigned tensor is taken for one half of a distribution around zero.
    """
    described = before if before is not None and not grid.signed else seen
    mirrored = described is seen and not grid.signed
    if prior == "laplace":
        spread = described.mean_abs if mirrored else described.spread
    else:
        spread = described.rms if mirrored else described.std
    centre = 0.0 if mirrored else described.mean
    centre = abs(centre) if grid.signed else max(centre, 0.0)
    if realisable:
        ratio = grid_clip(prior, grid.hi)
    else:
        ratio = cell_clip(prior, grid.bits, one_sided=not grid.signed)
    return centre + ratio * spread


def _aciq(*priors: str, realisable: bool = False) -> Method:
    """The given prior; of several, and no clipping at all, the one that errs least on ``seen``."""

    def method(seen: Distribution, grid: Grid, before: Distribution | None) -> float:
        alphas = [prior_clip(prior, seen, grid, before, realisable=realisable) for prior in priors]
        if len(alphas) > 1:
            alphas.append(seen.greatest)
        clips = np.minimum(alphas, seen.greatest)
        clips[clips <= 0] = seen.greatest
        return float(clips[np.argmin(error(seen, grid, clips))])

    return method


METHODS: dict[str, Method] = {
    "minmax": minmax,
    "percentile": percentile,
    "mse": mse,
    "aciq": _aciq(*PRIORS),
    "aciq-laplace": _aciq("laplace"),
    "aciq-gauss": _aciq("gauss"),
    "aciq-grid": _aciq(*PRIORS, realisable=True),
}
# What each method does to weights: ACIQ as published leaves them unclipped.
FOR_WEIGHTS = {
    "minmax": "minmax", "percentile": "percentile", "mse": "mse", "aciq": "minmax",
    "aciq-laplace": "minmax", "aciq-gauss": "minmax", "aciq-grid": "mse",
}  # fmt: skip
