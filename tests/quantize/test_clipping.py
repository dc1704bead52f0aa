"""Clipping methods against brute force, and the orderings they promise."""

import numpy as np
import pytest

from hwgen.quantize.clipping import FOR_WEIGHTS, METHODS, error, scale_of
from hwgen.quantize.grid import Grid, weight_grid
from hwgen.quantize.statistics import Distribution

RNG = np.random.default_rng(0)
TENSORS = {
    "normal": RNG.normal(0, 1, 6000),
    "laplace": RNG.laplace(0, 1, 6000),
    "rectified": np.maximum(RNG.normal(0.2, 1, 6000), 0),
    "outlier": np.append(RNG.uniform(0, 1, 6000), 40.0),
}


def grid_for(values: np.ndarray, bits: int) -> Grid:
    return Grid(bits, signed=bool(values.min() < 0), narrow=True)


def test_grids_are_those_of_the_hardware():
    assert (Grid(3, True).lo, Grid(3, True).hi) == (-4, 3)
    assert (weight_grid(3).lo, weight_grid(3).hi) == (-3, 3)
    assert (Grid(3, False).lo, Grid(3, False).hi) == (0, 7)
    np.testing.assert_array_equal(Grid(1, True).codes(np.array([-2.0, 0.0, 3.0]), 1.0), [-1, 1, 1])
    np.testing.assert_array_equal(Grid(2, False).codes(np.array([0.5, 1.5, 9.0]), 1.0), [0, 2, 3])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_method_clips_beyond_what_was_seen(method, name, bits):
    values = TENSORS[name]
    grid, seen = grid_for(values, bits), Distribution.of(values)
    assert 0 < scale_of(method, seen, grid) * grid.hi <= seen.greatest * (1 + 1e-12)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_mse_is_the_best_of_all_clips(name, bits):
    values = TENSORS[name]
    grid, seen = grid_for(values, bits), Distribution.of(values)
    everywhere = error(seen, grid, np.linspace(1e-3, 1, 1000) * seen.greatest).min()
    errors = {m: error(seen, grid, np.array([scale_of(m, seen, grid) * grid.hi]))[0]
              for m in METHODS}  # fmt: skip
    assert errors["mse"] <= everywhere * 1.01
    assert errors["mse"] <= min(errors.values()) * 1.01
    assert errors["aciq"] <= min(errors["aciq-laplace"], errors["aciq-gauss"], errors["minmax"])


@pytest.mark.parametrize(("prior", "name"), [("laplace", "laplace"), ("gauss", "normal")])
def test_the_right_prior_is_chosen(prior, name):
    seen, grid = Distribution.of(TENSORS[name]), Grid(4, True, True)
    assert scale_of("aciq", seen, grid) == scale_of(f"aciq-{prior}", seen, grid)


def test_behind_a_relu_the_prior_is_that_before_it():
    before = TENSORS["laplace"]
    after = Distribution.of(np.maximum(before, 0))
    spread = np.abs(before - before.mean()).mean()
    scale = scale_of("aciq-laplace", after, Grid(3, False), Distribution.of(before))
    assert scale * 7 == pytest.approx(max(before.mean(), 0) + 5.029 * spread, rel=1e-3)


def test_without_a_relu_unsigned_values_are_half_of_a_prior():
    values = np.abs(TENSORS["laplace"])
    scale = scale_of("aciq-laplace", Distribution.of(values), Grid(3, False))
    assert scale * 7 == pytest.approx(5.029 * values.mean(), rel=1e-3)
    scale = scale_of("aciq-gauss", Distribution.of(values), Grid(3, False))
    assert scale * 7 == pytest.approx(2.559 * np.sqrt(np.square(values).mean()), rel=1e-3)


def test_an_outlier_is_clipped_by_all_but_minmax():
    seen, grid = Distribution.of(TENSORS["outlier"]), Grid(4, False)
    clips = {method: scale_of(method, seen, grid) * grid.hi for method in METHODS}
    assert clips.pop("minmax") == 40
    clips.pop("aciq-laplace"), clips.pop("aciq-gauss")
    assert all(clip < 13 for clip in clips.values()), clips
    assert clips["percentile"] < 1


def test_percentile_leaves_one_in_a_thousand():
    values = np.random.default_rng(1).permutation(np.arange(1, 10_001.0))
    assert scale_of("percentile", Distribution.of(values), Grid(8, False)) * 255 == pytest.approx(
        9990
    )


def test_one_signed_bit_has_the_mean_magnitude():
    seen = Distribution.of(TENSORS["normal"])
    best = seen.mean_abs
    for method in METHODS:
        assert scale_of(method, seen, Grid(1, True)) == best
    errors = [np.square(np.abs(seen.values) - s).mean() for s in (0.9 * best, best, 1.1 * best)]
    assert errors[1] == min(errors)


def test_minmax_uses_the_lowest_code():
    grid = Grid(3, True)
    scale = scale_of("minmax", Distribution.of(np.array([-4.0, 1.0])), grid)
    assert scale == 1.0
    assert set(FOR_WEIGHTS) == set(METHODS)
