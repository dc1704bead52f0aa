"""Learned rounding of weights: up or down, whichever serves the layer's output.

Nagel, Amjad, van Baalen, Louizos, Blankevoort: Up or down? Adaptive rounding for post-training
quantization, ICML 2020. A weight becomes ``s * clip(floor(w/s) + h(V), lo, hi)`` with the rectified
sigmoid ``h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1)``, zeta 1.1, gamma -0.1. V minimises
the layer's squared output error plus ``lambda * sum(1 - |2h - 1|^beta)``, beta falling from 20 to
2, which drives each h to 0 or 1; without it for the first fifth of the steps.

For a linear layer the error of all samples together needs only two matrices of its inputs: with
``G = E[xq xq^T]`` and ``C = E[xq x^T]`` it is ``Wq G Wq^T - 2 Wq C W^T`` plus a constant, with
gradient ``2 (Wq G - W C^T)``. Each step therefore sees every sample. The nonlinearity behind the
layer is left out. Error and regulariser are put in proportion by the error of rounding to nearest,
since the paper's lambda belongs to the scale of its own loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ZETA, GAMMA = 1.1, -0.1
BETAS = (20.0, 2.0)


@dataclass(frozen=True, slots=True)
class Rounding:
    """Settings: gradient steps, Adam's rate, the regulariser's weight, the share without it."""

    steps: int = 600
    rate: float = 0.02
    weight: float = 0.5
    warmup: float = 0.2


def second_moments(x: np.ndarray, xq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(G, C)`` of :func:`learn`, ``(groups, n, n)``, from columns ``(samples, groups, n)``."""
    x, xq = np.moveaxis(x, 1, 0), np.moveaxis(xq, 1, 0)
    turned = xq.transpose(0, 2, 1) / xq.shape[1]
    return turned @ xq, turned @ x


def output_error(rows: np.ndarray, quantized: np.ndarray, gram: np.ndarray,
                 cross: np.ndarray) -> np.ndarray:  # fmt: skip
    """Per output, its squared error but for a constant that rounding cannot change."""
    w, q = _grouped(rows, gram), _grouped(quantized, gram)
    return (q * (q @ gram - 2 * w @ cross.transpose(0, 2, 1))).sum(axis=2).ravel()


def learn(rows: np.ndarray, scale: np.ndarray, lo: int, hi: int, gram: np.ndarray,
          cross: np.ndarray, settings: Rounding) -> np.ndarray:  # fmt: skip
    """Codes ``(outputs, n)`` in ``lo..hi``, each the floor or the ceiling of ``rows / scale``.

    ``scale`` is ``(outputs,)``; ``gram`` and ``cross`` come from :func:`second_moments`, outputs
    being split evenly over groups. An output for which rounding to nearest errs less keeps that.
    """
    ratio = rows / scale[:, None]
    floor = np.floor(ratio)
    nearest = np.clip(np.rint(ratio), lo, hi)
    w, step = _grouped(rows, gram), _grouped(np.broadcast_to(scale[:, None], rows.shape), gram)
    target = w @ cross.transpose(0, 2, 1)
    base = _grouped(floor, gram)
    unit = max(float(_excess(_grouped(nearest, gram) * step, gram, w, cross)), 1e-30)
    share = np.clip((ratio - floor - GAMMA) / (ZETA - GAMMA), 1e-4, 1 - 1e-4)
    v = _grouped(np.log(share / (1 - share)), gram)
    small = (a.astype(np.float32) for a in (v, base, step, target, gram))
    v, base, step, target, half = small  # half the width is enough to descend
    first, second = np.zeros_like(v), np.zeros_like(v)
    for k in range(1, settings.steps + 1):
        sigmoid = 1 / (1 + np.exp(-v))
        stretched = sigmoid * (ZETA - GAMMA) + GAMMA
        h = np.clip(stretched, 0, 1)
        code = base + h
        quantized = np.clip(code, lo, hi) * step
        gradient = 2 * (quantized @ half - target) * step * ((code >= lo) & (code <= hi)) / unit
        progress = (k / settings.steps - settings.warmup) / (1 - settings.warmup)
        if progress > 0:
            beta = BETAS[1] + (BETAS[0] - BETAS[1]) * (1 - progress)
            centred = 2 * h - 1
            pull = 2 * beta * np.sign(centred) * np.abs(centred) ** (beta - 1)
            gradient -= settings.weight / v.size * pull
        gradient *= (ZETA - GAMMA) * sigmoid * (1 - sigmoid) * ((stretched > 0) & (stretched < 1))
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * np.square(gradient)
        rate = settings.rate * np.sqrt(1 - 0.999**k) / (1 - 0.9**k)
        v -= rate * first / (np.sqrt(second) + 1e-12)
    learned = np.clip(floor + (v.reshape(rows.shape) >= 0), lo, hi)
    better = output_error(rows, learned * scale[:, None], gram, cross) < output_error(
        rows, nearest * scale[:, None], gram, cross
    )
    return np.where(better[:, None], learned, nearest).astype(np.int64)


def _grouped(rows: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """``(outputs, n)`` as ``(groups, outputs of a group, n)``."""
    return np.ascontiguousarray(rows, np.float64).reshape(len(gram), -1, rows.shape[-1])


def _excess(quantized: np.ndarray, gram: np.ndarray, w: np.ndarray, cross: np.ndarray) -> float:
    """How much more ``quantized`` errs than the weights themselves would on these inputs."""
    change = quantized - w
    return float((change @ gram * change).sum()) or float((w @ np.abs(cross) * np.abs(w)).sum())
