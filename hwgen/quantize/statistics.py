"""What tensors hold: moments and histograms, gathered in one pass over calibration frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwgen.core.errors import fail
from hwgen.frontends import Source, run_source

BINS = 2048  # on each side of zero; 4096 bytes and more per channel
CHUNK = 1 << 25  # elements of all fetched tensors in one batch
Progress = Callable[[str], None]


def silent(step: str) -> None:
    """Says nothing about ``step``."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """Values with weights: a tensor's elements, or the centres of its histogram's bins."""

    values: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Distribution:
        flat = np.asarray(values, np.float64).ravel()
        return cls(flat, np.ones(flat.size))

    @property
    def min(self) -> float:
        return float(self.values.min())

    @property
    def max(self) -> float:
        return float(self.values.max())

    @property
    def greatest(self) -> float:
        """max |x|"""
        return max(-self.min, self.max)

    def expect(self, values: np.ndarray) -> float:
        """The mean of ``values``, one for each of ours."""
        return float(values @ self.weights / self.weights.sum())

    @cached_property
    def mean(self) -> float:
        return self.expect(self.values)

    @property
    def mean_abs(self) -> float:
        return self.expect(np.abs(self.values))

    @property
    def std(self) -> float:
        return math.sqrt(self.expect(np.square(self.values - self.mean)))

    @property
    def rms(self) -> float:
        return math.sqrt(self.expect(np.square(self.values)))

    @property
    def spread(self) -> float:
        """E|x - E x|, the maximum-likelihood ``b`` of a Laplace distribution around the mean."""
        return self.expect(np.abs(self.values - self.mean))

    def merged(self, other: Distribution) -> Distribution:
        """Both together, each value with its weight."""
        return Distribution(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.weights, other.weights]),
        )


class Histogram:
    """Counts of ``rows`` kinds of values at the multiples of a bin width, zero being one of them.

    The width doubles as values come that do not fit; bins then merge in pairs. Minimum, maximum,
    sum and sums of squares and magnitudes are exact.
    """

    def __init__(self, rows: int = 1) -> None:
        self.counts = np.zeros((rows, 2 * BINS + 1))
        self.width = 0.0
        self.min, self.max = np.full(rows, np.inf), np.full(rows, -np.inf)
        self.total, self.total_abs, self.total_square = np.zeros((3, rows))
        self.size = 0

    def add(self, values: np.ndarray) -> None:
        """Count ``values`` ``(rows, n)``."""
        values = np.asarray(values, np.float64)
        self.min = np.minimum(self.min, values.min(axis=1))
        self.max = np.maximum(self.max, values.max(axis=1))
        self.total += values.sum(axis=1)
        self.total_abs += np.abs(values).sum(axis=1)
        self.total_square += np.square(values).sum(axis=1)
        self.size += values.shape[1]
        greatest = float(np.abs(values).max())
        if greatest == 0 and self.width == 0:
            self.counts[:, BINS] += values.shape[1]
            return
        self.width = self.width or greatest / BINS
        while greatest > self.width * (BINS + 0.5):
            self._double()
        bins = np.rint(values / self.width).astype(np.int64) + BINS
        stride = self.counts.shape[1]
        offsets = np.arange(len(values))[:, None] * stride
        counted = np.bincount((bins + offsets).ravel(), minlength=self.counts.size)
        self.counts += counted.reshape(self.counts.shape)

    def _double(self) -> None:
        merged = np.zeros_like(self.counts)
        centres = np.rint(np.arange(-BINS, BINS + 1) / 2).astype(np.int64) + BINS
        np.add.at(merged.T, centres, self.counts.T)
        self.counts, self.width = merged, 2 * self.width

    @property
    def mean(self) -> np.ndarray:
        return self.total / self.size

    @property
    def mean_abs(self) -> np.ndarray:
        return self.total_abs / self.size

    @property
    def std(self) -> np.ndarray:
        return np.sqrt(np.maximum(self.total_square / self.size - self.mean**2, 0))

    def distribution(self, row: int | None = None) -> Distribution:
        """One row's bins that are not empty, or those of all rows; the extremes are exact."""
        counts = self.counts.sum(axis=0) if row is None else self.counts[row]
        least = self.min.min() if row is None else self.min[row]
        most = self.max.max() if row is None else self.max[row]
        (full,) = counts.nonzero()
        values = np.clip((full - BINS) * self.width, least, most)
        return Distribution(values, counts[full])


def collect(
    source: Source, calibration: Mapping[str, np.ndarray], names: Iterable[str], *,
    per_channel: bool = False, progress: Progress = silent,
) -> dict[str, Histogram]:  # fmt: skip
    """Histograms of the named tensors over ``calibration``, one row per channel if asked.

    Channels run along axis 1, or the only axis of a frame. Memory is bounded: frames run in
    batches. Raises HW112 where the frames do not fit the model or are not finite.
    """
    names = list(dict.fromkeys(names))
    frames = checked(source, calibration)
    count = len(next(iter(frames.values())))
    found: dict[str, Histogram] = {}
    start, step = 0, 1
    while start < count:
        batch = {name: array[start : start + step] for name, array in frames.items()}
        made = fetch(source, batch, names)
        for name, values in made.items():
            channels = values.shape[1] if per_channel else 1
            rows = np.moveaxis(values, 1, 0) if per_channel else values
            found.setdefault(name, Histogram(channels)).add(rows.reshape(channels, -1))
        start += step
        step = max(1, CHUNK // max(1, sum(v[0].size for v in made.values())))
        progress(f"calibrating: frame {min(start, count)} of {count}")
    return found


def fetch(source: Source, frames: Mapping[str, np.ndarray], names: Iterable[str]):
    """Tensors by name for ``frames``; model inputs among the names are the frames themselves."""
    names = list(names)
    inner = [name for name in names if name not in source.inputs]
    made = run_source(source, frames, inner) if inner else {}
    made |= {name: np.asarray(frames[name]) for name in names if name in source.inputs}
    return {name: values if values.ndim > 1 else values[:, None] for name, values in made.items()}


def checked(source: Source, calibration: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Frames of every model input, ``(N, *frame)`` float32 or the input's own integers.

    Raises HW112: an input without frames, a wrong shape, no numbers, NaN, different counts.
    """
    frames = {}
    for name in source.inputs:
        where = f"{source.name}: calibration of `{name}`"
        shape = source.frame_shape(name)
        wanted = f"give frames of shape ({', '.join(map(str, ('N', *shape)))})"
        if name not in calibration:
            fail("HW112", where=where, why="there is none", help=wanted)
        array = np.asarray(calibration[name])
        if array.dtype.kind not in "fiub":
            fail("HW112", where=where, why=f"its elements are {array.dtype}", help=wanted)
        if array.shape == shape:
            array = array[None]
        if array.shape[1:] != shape or not len(array):
            fail("HW112", where=where, why=f"its shape is {array.shape}", help=wanted)
        if not np.isfinite(array).all():
            fail("HW112", where=where, why="it holds NaN or infinity", help="give finite numbers")
        frames[name] = array.astype(source.dtypes[name])
    counts = {name: len(array) for name, array in frames.items()}
    if len(set(counts.values())) > 1:
        fail("HW112", where=source.name, why=f"different numbers of frames: {counts}",
             help="give as many frames for each input")  # fmt: skip
    return frames
