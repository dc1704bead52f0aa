"""Analytic clipping for integer quantization.

Banner, Nahshan, Soudry: Post training 4-bit quantization of convolutional networks for
rapid-deployment, NeurIPS 2019. A tensor is taken for a Laplace or a Gauss distribution, and the
clipping value alpha minimises the expected squared error, which splits in two:

- clipping, over the tails beyond alpha: Laplace ``2 b^2 exp(-alpha/b)``, Gauss
  ``(sigma^2 + alpha^2)(1 - erf(alpha/(sigma sqrt 2))) - sqrt(2/pi) alpha sigma
  exp(-alpha^2/(2 sigma^2))``;
- rounding, in ``2^M`` cells over [-alpha, alpha]: ``alpha^2 / (3 * 4^M)``.

For Laplace the minimum is in closed form: ``(alpha/b) exp(alpha/b) = 3 * 4^M``, so that ``alpha/b``
is Lambert's W of ``3 * 4^M``. Behind a ReLU only the positive half is coded, with twice as many
cells, so that the minimum is that of ``M + 1`` bits.

The grid of real hardware has levels on both of its ends and on zero: :func:`grid_clip` minimises
the exact expected error on those levels. It clips earlier; the difference counts up to 4 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

PRIORS = ("laplace", "gauss")
REACH = {"laplace": 40.0, "gauss": 10.0}  # beyond it a prior has no mass that counts in float64


def lambert_w(x: float) -> float:
    """The ``w >= 0`` with ``w * exp(w) == x``, by Newton's method."""
    w = math.log1p(x)
    for _ in range(64):
        step = (w * math.exp(w) - x) / (math.exp(w) * (w + 1))
        w -= step
        if abs(step) < 1e-14 * (1 + w):
            break
    return w


def distortion(prior: str, alpha: float, bits: int) -> float:
    """Expected squared error at clip ``alpha`` for ``b == 1`` or ``sigma == 1``, both signs."""
    rounding = alpha**2 / (3 * 4**bits)
    if prior == "laplace":
        return 2 * math.exp(-alpha) + rounding
    outside = (1 + alpha**2) * math.erfc(alpha / math.sqrt(2))
    return outside - math.sqrt(2 / math.pi) * alpha * math.exp(-(alpha**2) / 2) + rounding


@lru_cache
def cell_clip(prior: str, bits: int, *, one_sided: bool) -> float:
    """The published clip, in units of ``b`` or ``sigma``."""
    bits += one_sided
    if prior == "laplace":
        return lambert_w(3.0 * 4**bits)
    return minimum(lambda alpha: distortion("gauss", alpha, bits), 0.1, 8.0)


@lru_cache
def grid_clip(prior: str, steps: int) -> float:
    """The best value of the top code of levels ``0..steps`` and, if signed, their negatives.

    The density is even, so that one side decides; it is integrated by the midpoint rule over 2^14
    points.
    """
    x = (np.arange(1 << 14) + 0.5) * REACH[prior] / (1 << 14)
    density = np.exp(-x) if prior == "laplace" else np.exp(-np.square(x) / 2)

    def error(alpha: float) -> float:
        scale = alpha / steps
        level = np.minimum(np.rint(x / scale), steps) * scale
        return float(np.square(x - level) @ density)

    return minimum(error, 0.2, 14.0)


def minimum(function: Callable[[float], float], lo: float, hi: float) -> float:
    """Where a function with one minimum in ``lo..hi`` has it, by golden sections."""
    ratio = (math.sqrt(5) - 1) / 2
    a, b = hi - ratio * (hi - lo), lo + ratio * (hi - lo)
    fa, fb = function(a), function(b)
    while hi - lo > 1e-6:
        if fa < fb:
            hi, b, fb = b, a, fa
            a = hi - ratio * (hi - lo)
            fa = function(a)
        else:
            lo, a, fa = a, b, fb
            b = lo + ratio * (hi - lo)
            fb = function(b)
    return (lo + hi) / 2
