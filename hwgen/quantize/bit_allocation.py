"""Bits per channel under a mean: ACIQ's allocation.

Banner, Nahshan, Soudry, NeurIPS 2019, section 4. With ``sum_i 2^M_i = B`` levels for C channels,
the rounding errors ``sum_i alpha_i^2 / (3 * 4^M_i)`` are least where ``2^M_i`` is in proportion to
``alpha_i^(2/3)``: ``M_i = round(log2(alpha_i^(2/3) / sum_j alpha_j^(2/3) * B))`` (eq. 11), kept
within 0..8. Rounding moves the mean, so that B is then moved until the mean is what was asked for.

Zero bits remove a channel. Hardware stores a layer's weights at the width of its widest channel
unless a row of weights is a word of its own; the mean says what the latter would need. Activations
are not allocated: an edge of the graph has one width, and channels of different scales would widen
the weights that multiply them.
"""

from __future__ import annotations

import numpy as np

WIDEST = 8


def allocate(spread: np.ndarray, bits: int) -> np.ndarray:
    """Bits ``(C,)`` whose mean is at most ``bits`` and as near to it as equation 11 comes.

    ``spread (C,)`` is proportional to each channel's clip: the standard deviation of weights, the
    Laplace ``b`` of activations.
    """
    spread = np.asarray(spread, np.float64)
    if not spread.any():
        return np.full(len(spread), bits)
    with np.errstate(divide="ignore"):
        share = np.log2(spread ** (2 / 3) / (spread ** (2 / 3)).sum())

    def rounded(levels: float) -> np.ndarray:
        """Equation 11 for ``levels = log2 B``."""
        return np.clip(np.where(spread > 0, np.rint(share + levels), 0), 0, WIDEST)

    # The allocation changes only where some share + levels passes a half.
    steps = np.arange(WIDEST + 1) + 0.5
    turns = np.unique((steps[:, None] - share[spread > 0]).ravel()) + 1e-9
    chosen = rounded(-np.inf)
    for levels in turns:
        if rounded(levels).mean() > bits:
            break
        chosen = rounded(levels)
    return chosen.astype(np.int64)
