"""Statistics are those of NumPy, whatever the batches."""

import numpy as np
import pytest

from hwgen.core.errors import HwgenError
from hwgen.frontends import run_source
from hwgen.frontends.float_net import FloatNet
from hwgen.quantize import statistics
from hwgen.quantize.batchnorm import assumed
from hwgen.quantize.statistics import BINS, Distribution, Histogram, checked, collect
from tests.quantize.nets import cnn, frames, model, node, norm, separable


def test_moments_are_exact():
    rng = np.random.default_rng(0)
    parts = [rng.normal(0.3, scale, (3, 500)) for scale in (1, 5, 0.1)]
    histogram, values = Histogram(3), np.concatenate(parts, axis=1)
    for part in parts:
        histogram.add(part)
    np.testing.assert_array_equal(histogram.min, values.min(axis=1))
    np.testing.assert_array_equal(histogram.max, values.max(axis=1))
    np.testing.assert_allclose(histogram.mean, values.mean(axis=1))
    np.testing.assert_allclose(histogram.mean_abs, np.abs(values).mean(axis=1))
    np.testing.assert_allclose(histogram.std, values.std(axis=1))
    assert histogram.counts.sum() == values.size


def test_bins_count_what_is_nearest_to_them():
    values = np.random.default_rng(1).uniform(-4, 4, (1, 4000))
    histogram = Histogram()
    histogram.add(values)
    edges = (np.arange(-BINS, BINS + 2) - 0.5) * histogram.width
    np.testing.assert_array_equal(histogram.counts[0], np.histogram(values, edges)[0])


def test_bins_double_until_all_fit():
    histogram = Histogram()
    histogram.add(np.array([[1.0, 0.0, -1.0]]))
    histogram.add(np.array([[7.0, 0.0]]))
    assert histogram.width == 8 / BINS
    found = histogram.distribution()
    np.testing.assert_allclose(found.values, [-1, 0, 1, 7])
    np.testing.assert_array_equal(found.weights, [1, 2, 1, 1])


def test_doubling_moves_no_mean():
    values = np.random.default_rng(5).uniform(0, 1, (1, 50_000))
    histogram = Histogram()
    histogram.add(values)
    histogram.add(np.array([[60.0]]))
    found = histogram.distribution()
    assert histogram.width == pytest.approx(64 / BINS, rel=1e-3)
    inside = found.values < 2
    mean = np.average(found.values[inside], weights=found.weights[inside])
    assert mean == pytest.approx(values.mean(), abs=histogram.width / 20)


def test_a_distribution_of_bins_is_near_that_of_the_values():
    values = np.random.default_rng(2).laplace(0.5, 1, (1, 20_000))
    histogram = Histogram()
    histogram.add(values)
    binned, exact = histogram.distribution(), Distribution.of(values)
    for name in ("mean", "mean_abs", "std", "spread", "rms"):
        assert getattr(binned, name) == pytest.approx(getattr(exact, name), rel=1e-3)
    assert (binned.min, binned.max) == (exact.min, exact.max)


def test_collecting_equals_running(monkeypatch):
    rng = np.random.default_rng(3)
    source = cnn(rng)
    data = frames(rng, source, 9)
    monkeypatch.setattr(statistics, "CHUNK", 3000)  # several batches
    steps = []
    seen = collect(source, data, ["x", "c", "y"], per_channel=True, progress=steps.append)
    made = run_source(source, data, ["c", "y"]) | data
    for name, channels in (("x", 2), ("c", 6), ("y", 5)):
        rows = np.moveaxis(made[name], 1, 0).reshape(channels, -1)
        np.testing.assert_allclose(seen[name].mean, rows.mean(axis=1), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(seen[name].max, rows.max(axis=1), rtol=1e-5)
    assert len(steps) > 2
    assert steps[-1] == "calibrating: frame 9 of 9"
    whole = collect(source, data, ["c"])["c"]
    assert whole.max[0] == seen["c"].max.max()


def test_batchnorm_tells_what_frames_would_show():
    rng = np.random.default_rng(4)
    arrays: dict[str, np.ndarray] = {}
    nodes = [norm("n", "x", "d", 3, rng, arrays), node("Relu", ["d"], ["r"])]
    arrays["n_m"], arrays["n_v"] = np.zeros(3), np.ones(3) - 1e-5
    net = FloatNet(model(nodes, {"x": (1, 3, 4, 4)}, {"r": (1, 3, 4, 4)}, arrays))
    data = rng.normal(0, 1, (4000, 3, 4, 4)).astype(np.float32)
    for name in ("d", "r"):
        told = assumed(net, name, (0, 1))
        shown = Distribution.of(run_source(net.source(), {"x": data}, [name])[name])
        assert told.mean == pytest.approx(shown.mean, abs=0.01)
        assert told.std == pytest.approx(shown.std, rel=0.01)
    even = assumed(net, "x", (-2, 3))
    assert (even.min, even.max, even.mean) == (-2, 3, pytest.approx(0.5))
    with pytest.raises(HwgenError, match="HW112"):
        assumed(FloatNet(cnn(rng)), "c", (0, 1))
    assert assumed(FloatNet(separable(rng)), "r0", (0, 1)).min == 0


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({}, "there is none"),
        ({"x": np.zeros((3, 2, 8, 7))}, "shape is"),
        ({"x": np.zeros((0, 2, 8, 8))}, "shape is"),
        ({"x": np.full((1, 2, 8, 8), np.nan)}, "NaN"),
        ({"x": np.full((1, 2, 8, 8), np.inf)}, "NaN"),
        ({"x": np.full((1, 2, 8, 8), "a")}, "elements are"),
    ],
)
def test_bad_frames_are_refused(bad, why):
    with pytest.raises(HwgenError, match="HW112") as error:
        checked(cnn(np.random.default_rng(0)), bad)
    assert why in str(error.value)


def test_a_single_frame_needs_no_batch_axis():
    assert checked(cnn(np.random.default_rng(0)), {"x": np.ones((2, 8, 8))})["x"].shape[0] == 1
