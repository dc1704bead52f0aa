"""What is done to the weights of one layer: rounding, allocation, grouping, bias correction."""

import itertools

import numpy as np
import pytest
from onnx import helper

from hwgen.frontends import run_source
from hwgen.frontends.float_net import FloatNet
from hwgen.quantize import weights
from hwgen.quantize.adaround import Rounding, learn, output_error, second_moments
from hwgen.quantize.bias_correction import exact, folded, moments
from hwgen.quantize.bit_allocation import allocate
from hwgen.quantize.columns import columns, sample_columns
from hwgen.quantize.subtensor import partition
from tests.quantize.nets import cnn, frames, model, node, residual, separable

# Learned rounding


def problem(rng: np.random.Generator, outputs: int, inputs: int, groups: int = 1):
    """Weights, scales and the moments of correlated inputs."""
    mix = rng.normal(0, 1, (groups, inputs, inputs))
    x = np.einsum("ngk,gkj->ngj", np.abs(rng.normal(0, 1, (400, groups, inputs))), mix)
    xq = np.round(x * 2) / 2
    rows = rng.normal(0, 1, (outputs, inputs))
    return rows, np.abs(rows).max(axis=1) / 3, *second_moments(x, xq)


def test_learned_rounding_is_near_the_best_of_all():
    """Of what rounding to nearest loses against the best of 2^9 roundings, most is won back."""
    lost = won = 0.0
    for seed in range(8):
        rows, scale, gram, cross = problem(np.random.default_rng(seed), 4, 9)
        floor, unit = np.floor(rows / scale[:, None]), scale[:, None]
        every = [
            output_error(rows, np.clip(floor + up, -3, 3) * unit, gram, cross)
            for up in itertools.product((0, 1), repeat=9)
        ]
        nearest = np.clip(np.rint(rows / unit), -3, 3)
        start = output_error(rows, nearest * unit, gram, cross)
        codes = learn(rows, scale, -3, 3, gram, cross, Rounding())
        found = output_error(rows, codes * unit, gram, cross)
        assert (found <= start).all()
        lost += (start - np.min(every, axis=0)).sum()
        won += (start - found).sum()
    assert won >= 0.7 * lost, won / lost


@pytest.mark.parametrize(("groups", "outputs", "inputs"), [(1, 8, 40), (6, 6, 9), (2, 8, 18)])
def test_learned_codes_are_floors_or_ceilings_and_never_worse(groups, outputs, inputs):
    rows, scale, gram, cross = problem(np.random.default_rng(5), outputs, inputs, groups)
    codes = learn(rows, scale, -3, 3, gram, cross, Rounding(steps=150))
    ratio = rows / scale[:, None]
    assert ((codes == np.floor(ratio)) | (codes == np.ceil(ratio))).all()
    nearest = np.clip(np.rint(ratio), -3, 3)
    before = output_error(rows, nearest * scale[:, None], gram, cross)
    after = output_error(rows, codes * scale[:, None], gram, cross)
    assert (after <= before).all()
    assert after.sum() < before.sum()


def test_the_output_error_is_that_of_the_samples():
    rng = np.random.default_rng(6)
    x, xq = rng.normal(0, 1, (2, 300, 1, 7))
    w, q = rng.normal(0, 1, (2, 4, 7))
    gram, cross = second_moments(x, xq)
    found = output_error(w, q, gram, cross) + np.square(x[:, 0] @ w.T).mean(axis=0)
    direct = np.square(x[:, 0] @ w.T - xq[:, 0] @ q.T).mean(axis=0)
    np.testing.assert_allclose(found, direct, rtol=1e-9)


# Bit allocation


def rounding_error(spread: np.ndarray, bits: np.ndarray) -> float:
    return float((spread**2 / 4.0**bits).sum())


@pytest.mark.parametrize("seed", range(5))
def test_allocation_is_the_best_for_its_levels(seed):
    """Equation 11 rounds the best real allocation: against all integer ones of as many levels."""
    spread = np.random.default_rng(seed).lognormal(0, 0.8, 5)
    bits = allocate(spread, 3)
    levels = (2.0**bits).sum()
    others = [np.array(b) for b in itertools.product(range(9), repeat=5)]
    best = min(rounding_error(spread, b) for b in others if (2.0**b).sum() <= levels)
    assert rounding_error(spread, bits) <= 1.6 * best
    if len(set(bits)) > 1:
        assert rounding_error(spread, bits) < rounding_error(spread, np.full(5, bits.mean()))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_allocation_keeps_the_mean(bits):
    rng = np.random.default_rng(bits)
    spread = rng.lognormal(0, 1, 64)
    found = allocate(spread, bits)
    assert bits - 1 / 32 <= found.mean() <= bits
    assert found.min() >= 0
    assert found.max() <= 8
    order = np.argsort(spread)
    assert (np.diff(found[order]) >= 0).all()


def test_levels_grow_with_the_two_thirds_power():
    np.testing.assert_array_equal(allocate(np.array([1.0, 8.0, 64.0]), 4), [2, 4, 6])


def test_allocation_without_differences():
    np.testing.assert_array_equal(allocate(np.ones(8), 3), 3)
    np.testing.assert_array_equal(allocate(np.zeros(4), 3), 3)
    assert allocate(np.array([1.0, 0.0, 1.0, 1.0]), 3)[1] == 0


# Sub-tensors


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_the_partition_is_the_best_of_all(groups):
    ranges = np.random.default_rng(groups).lognormal(0, 1, 7)

    def cost(labels) -> float:
        labels = np.asarray(labels)
        return sum((labels == g).sum() * ranges[labels == g].max() ** 2 for g in set(labels))

    best = min(cost(x) for x in itertools.product(range(groups), repeat=7))
    assert cost(partition(ranges, groups)) == pytest.approx(best)


def test_more_groups_never_err_more():
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (16, 30)) * rng.lognormal(0, 1, (16, 1))
    bits, errors, scales = np.full(16, 4), [], []
    for groups in (1, 2, 4, 8, 16):
        labels = weights.sharing(rows, per_channel=True, subtensor=groups)
        scale = weights.scales(rows, bits, labels, "minmax")
        errors.append(np.square(weights.nearest(rows, scale, bits).rows - rows).sum())
        scales.append(len(set(scale)))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 3 * errors[-1]
    assert scales == [1, 2, 4, 8, 16]
    every = weights.scales(rows, bits, np.arange(16), "minmax")
    np.testing.assert_array_equal(scale, every)


# Codes


def test_codes_stand_for_the_nearest_grid_point():
    rng = np.random.default_rng(7)
    rows = rng.normal(0, 1, (6, 20))
    bits = np.array([0, 1, 2, 3, 4, 8])
    scale = weights.scales(rows, bits, np.arange(6), "minmax")
    made = weights.nearest(rows, scale, bits)
    assert made.width == 8
    assert (made.codes[0] == 0).all()
    assert set(np.abs(made.codes[1])) == {1}
    for k in (2, 3, 4, 5):
        top = 2 ** (int(bits[k]) - 1) - 1
        assert np.abs(made.codes[k]).max() == top
        assert np.abs(made.rows[k] - rows[k]).max() <= scale[k] / 2 * (1 + 1e-6)


def test_a_channel_of_zeros_stays_zero():
    rows = np.zeros((2, 4))
    for width in (1, 4):
        bits = np.full(2, width)
        scale = weights.scales(rows, bits, np.arange(2), "mse")
        assert np.abs(weights.nearest(rows, scale, bits).rows).max() < 1e-12


# Bias correction


def test_the_exact_form_restores_mean_and_variance():
    rng = np.random.default_rng(8)
    rows = rng.normal(0.2, 1, (5, 60))
    quantized = np.clip(np.rint(rows), -1, 1)
    restored = exact(rows, quantized)
    np.testing.assert_allclose(restored.mean(axis=1), rows.mean(axis=1))
    np.testing.assert_allclose(restored.std(axis=1), rows.std(axis=1))
    xi, mu = moments(rows, quantized)
    np.testing.assert_allclose(xi, rows.std(axis=1) / quantized.std(axis=1))
    np.testing.assert_allclose(mu, rows.mean(axis=1) - quantized.mean(axis=1))


@pytest.mark.parametrize("groups", [1, 3])
def test_the_folded_form_restores_the_mean_output(groups):
    rng = np.random.default_rng(9)
    x, xq = rng.uniform(0, 2, (2, 500, groups, 8))
    w, q = rng.normal(0, 1, (2, 6, 8))
    shift = folded(w, q, x.mean(axis=0), xq.mean(axis=0))
    shape = (groups, 6 // groups, 8)
    y = np.einsum("ngk,gok->ngo", x, w.reshape(shape)).mean(axis=0).ravel()
    yq = np.einsum("ngk,gok->ngo", xq, q.reshape(shape)).mean(axis=0).ravel()
    np.testing.assert_allclose(yq + shift, y)


# Columns


@pytest.mark.parametrize(
    "attrs",
    [
        {}, {"pads": [1, 0, 2, 1]}, {"strides": [2, 1], "pads": [1, 1, 1, 1]},
        {"dilations": [2, 1]}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER"}, {"group": 2, "pads": [1, 1, 1, 1]},
    ],
)  # fmt: skip
def test_columns_times_rows_are_the_convolution(attrs):
    rng = np.random.default_rng(10)
    arrays = {"w": rng.normal(0, 1, (4, 4 // attrs.get("group", 1), 3, 2))}
    conv = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 2], **attrs)
    source = model([conv], {"x": (1, 4, 7, 6)}, {"y": (1, 4, 1, 1)}, arrays)
    (layer,) = FloatNet(source).layers()
    x = rng.normal(0, 1, (2, 4, 7, 6)).astype(np.float32)
    y = run_source(source, {"x": x})["y"]
    x = columns(layer, x, 10_000)
    rows = layer.rows(arrays["w"]).reshape(layer.groups, -1, x.shape[2])
    found = np.einsum("ngk,gok->ngo", x, rows).reshape(2, *y.shape[2:], 4)
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [cnn, separable, residual])
def test_sampled_columns_do_not_depend_on_batches(build, monkeypatch):
    rng = np.random.default_rng(11)
    source = build(rng)
    data, layers = frames(rng, source, 12), FloatNet(source).layers()
    monkeypatch.setattr("hwgen.quantize.columns.SAMPLE", 120)  # 10 of each frame
    whole = sample_columns(source, layers, data)
    monkeypatch.setattr("hwgen.quantize.columns.CHUNK", 1500)
    for layer in layers:
        alone = sample_columns(source, [layer], data)[layer.name]
        np.testing.assert_allclose(alone, whole[layer.name], rtol=1e-4, atol=1e-5)
    one = node("MatMul", ["x", "w"], ["y"])
    tiny = model([one], {"x": (1, 3)}, {"y": (1, 2)}, {"w": np.ones((3, 2))})
    data = frames(rng, tiny, 5)
    found = sample_columns(tiny, FloatNet(tiny).layers(), data)[FloatNet(tiny).layers()[0].name]
    np.testing.assert_array_equal(found[:, 0], data["x"])
