"""What rounding does to the mean of an output, and how to give it back.

Two forms:

- exact, of weights: Banner, Nahshan, Soudry, NeurIPS 2019, equations 12 and 13. Per output channel,
  ``mu = E[W] - E[Wq]`` and ``xi = ||W - E W|| / ||Wq - E Wq||``; the channel becomes
  ``xi * (Wq + mu)``. The factor goes into the scale. The shift leaves the grid: as integers it is
  one multiple of the sum of the layer's inputs, shared by all channels.
- folded, of outputs: Nagel et al., Data-free quantization through weight equalization and bias
  correction, ICCV 2019, section 4.2: ``b + W E[x] - Wq E[xq]``, with the means of the layer's
  inputs over calibration. It costs nothing in hardware, and mends what clipping the input does.

The integer graph has no sum of inputs beside a layer, so that quantizing takes ``xi`` of the first
form, which is free, and the second form for the means. The first is here to compare with.
"""

from __future__ import annotations

import numpy as np


def moments(rows: np.ndarray, quantized: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(xi, mu)``, each ``(outputs,)``, for weights ``(outputs, n)``; a constant row has xi 1."""
    mean, mean_q = rows.mean(axis=1), quantized.mean(axis=1)
    norm = np.linalg.norm(rows - mean[:, None], axis=1)
    norm_q = np.linalg.norm(quantized - mean_q[:, None], axis=1)
    xi = np.divide(norm, norm_q, out=np.ones_like(norm), where=(norm_q > 0) & (norm > 0))
    return xi, mean - mean_q


def exact(rows: np.ndarray, quantized: np.ndarray) -> np.ndarray:
    """``quantized`` with the mean and the variance of ``rows``, off the grid.

    The factor acts on ``Wq - E Wq`` and the mean is added last, so that both moments are met.
    """
    xi, _ = moments(rows, quantized)
    centred = quantized - quantized.mean(axis=1, keepdims=True)
    return xi[:, None] * centred + rows.mean(axis=1, keepdims=True)


def folded(rows: np.ndarray, quantized: np.ndarray, x: np.ndarray, xq: np.ndarray) -> np.ndarray:
    """What to add to the bias ``(outputs,)``.

    ``rows`` and ``quantized`` are weights ``(outputs, n)``; ``x`` and ``xq`` the mean inputs of the
    products, in float and as quantized, ``(groups, n)``, outputs being split evenly over groups.
    """
    groups, n = x.shape
    per_group = (groups, len(rows) // groups, n)
    exact_mean = np.einsum("gon,gn->go", rows.reshape(per_group), x)
    found_mean = np.einsum("gon,gn->go", quantized.reshape(per_group), xq)
    return (exact_mean - found_mean).ravel()
