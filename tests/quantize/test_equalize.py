"""Moving scales between layers leaves the float model and serves the quantized one."""

import numpy as np
import pytest

from hwgen.frontends import run_source
from hwgen.frontends.float_net import FloatNet
from hwgen.quantize import Options, Session
from hwgen.quantize.dead_channels import repair
from hwgen.quantize.equalize import absorb, cross_layer, pairs, smooth
from hwgen.quantize.sqnr import sqnr
from hwgen.quantize.statistics import collect
from tests.quantize.nets import cnn, frames, model, node, residual, separable


def folded(source) -> FloatNet:
    net = FloatNet(source)
    net.fold_batchnorm()
    return net


def unchanged(source, net: FloatNet, data, tolerance=2e-5):
    (exact,) = run_source(source, data).values()
    (found,) = run_source(net.source(), data).values()
    np.testing.assert_allclose(found, exact, atol=tolerance * np.abs(exact).max())


def test_pairs_are_found_through_pooling_and_flattening():
    rng = np.random.default_rng(0)
    (only,) = pairs(FloatNet(cnn(rng)))
    assert (only.first.name, only.second.name, only.block) == ("conv", "fc", 16)
    found = pairs(folded(separable(rng)))
    assert [(p.first.name, p.second.name) for p in found] == [
        ("conv0", "depthwise"), ("depthwise", "pointwise"), ("pointwise", "fc"),
    ]  # fmt: skip
    assert pairs(FloatNet(separable(rng))) == []  # BatchNormalization stands between
    assert pairs(FloatNet(residual(rng))) == []  # a sum does


@pytest.mark.parametrize(("build", "uneven"), [(cnn, None), (separable, 4.0)])
def test_cross_layer_equalization(build, uneven):
    rng = np.random.default_rng(1)
    source = build(rng) if uneven is None else build(rng, uneven=uneven)
    net = folded(source)
    assert cross_layer(net) == len(pairs(net))
    unchanged(source, net, frames(rng, source, 4))
    for pair in pairs(net):
        r1 = np.abs(pair.first.rows(net.arrays[pair.first.weight])).max(axis=1)
        r2 = np.abs(pair.inputs(net.arrays[pair.second.weight])).max(axis=1)
        np.testing.assert_allclose(r1, r2, rtol=0.01)


def test_smoothing_balances_activations_and_weights():
    rng = np.random.default_rng(2)
    source = separable(rng, uneven=4.0)
    net, data = folded(source), frames(rng, source, 16)
    names = [pair.second.x for pair in pairs(net)]
    smooth(net, collect(net.source(), data, names, per_channel=True))
    unchanged(source, net, data)
    last = pairs(net)[-1]  # nothing scales its inputs again
    seen = collect(net.source(), data, [last.second.x], per_channel=True)[last.second.x]
    x = seen.max.reshape(last.first.outputs, -1).max(axis=1)
    w = np.abs(last.inputs(net.arrays[last.second.weight])).max(axis=1)
    np.testing.assert_allclose(x, w, rtol=1e-4)


def test_absorption_is_exact_on_the_calibration_frames():
    rng = np.random.default_rng(3)
    arrays = {
        "w0": rng.normal(0, 0.1, (4, 2, 1, 1)), "b0": np.array([3.0, -3.0, 2.0, 0.0]),
        "w1": rng.normal(0, 1, (3, 4, 3, 3)),
    }  # fmt: skip
    for pad, moved in ((0, 2), (1, 0)):
        nodes = [
            node("Conv", ["x", "w0", "b0"], ["c"]), node("Relu", ["c"], ["r"]),
            node("Conv", ["r", "w1"], ["y"], pads=[pad] * 4),
        ]  # fmt: skip
        size = 4 + 2 * pad
        source = model(nodes, {"x": (1, 2, 6, 6)}, {"y": (1, 3, size, size)}, arrays)
        net, data = FloatNet(source), frames(rng, source, 8)
        seen = collect(source, data, ["c"], per_channel=True)
        assert absorb(net, seen) == moved
        unchanged(source, net, data)
        before = run_source(source, data, ["r"])["r"].max()
        after = run_source(net.source(), data, [pairs(net)[0].second.x])
        assert (next(iter(after.values())).max() < before - 1) == bool(moved)


def test_equalizing_raises_the_ratio_of_per_tensor_weights():
    rng = np.random.default_rng(4)
    source = separable(rng, uneven=5.0)
    data = frames(rng, source, 32)
    found = {}
    for kind in ("", "cross-layer", "smooth"):
        options = Options("minmax", per_channel=False, equalize=kind)
        made = Session(source, data, options).run(6, 8, options)
        (exact,), (y,) = run_source(source, data).values(), run_source(made.source, data).values()
        found[kind] = sqnr(exact, y)
    assert found["cross-layer"] > found[""] + 3
    assert found["smooth"] > found[""]


# Dead channels


def kill(source, channel: int, value: float, spread: float = 1e-3):
    """``source`` whose first BatchNormalization has a channel that is ``value``."""
    net = FloatNet(source)
    norm = next(n for n in net.nodes if n.op_type == "BatchNormalization")
    layer = net.layers()[0]
    beta, mean, variance = norm.input[2:5]
    weight = net.arrays[layer.weight].copy()
    weight[channel] *= spread
    net.arrays[layer.weight] = weight
    net.arrays[variance] = net.arrays[variance].copy()
    net.arrays[variance][channel] = 1e-9
    net.arrays[mean] = net.arrays[mean].copy()
    net.arrays[mean][channel] = 0
    net.arrays[beta] = net.arrays[beta].copy()
    net.arrays[beta][channel] = value
    return net.source(), norm.output[0]


@pytest.mark.parametrize("beta", [0.7, -0.7])
@pytest.mark.parametrize(("pad", "gone"), [(0, True), (1, False)])
def test_a_dead_channel_becomes_its_beta(pad, gone, beta):
    rng = np.random.default_rng(5)
    source, tensor = kill(separable(rng, pad=pad), 2, beta, spread=0.0)
    net, data = FloatNet(source), frames(rng, source, 4)
    assert repair(net, 1e-6) == {"conv0": 1}
    unchanged(source, net, data, 1e-6)
    made = run_source(net.source(), data, [tensor, "c1"])
    np.testing.assert_allclose(made[tensor][:, 2], beta, rtol=1e-6)
    exact = run_source(source, data, ["c1"])["c1"]
    np.testing.assert_allclose(made["c1"], exact, rtol=1e-4, atol=1e-5)
    depthwise = net.arrays[net.layers()[1].weight]
    assert (np.abs(depthwise[2]).max() == 0) == gone


def test_repair_rescues_per_tensor_weights():
    """A channel without variance blows up when folded: 8 bits per tensor, before and after."""
    rng = np.random.default_rng(6)
    source, _ = kill(separable(rng), 1, 0.5)
    net = FloatNet(source)
    norm = next(n for n in net.nodes if n.op_type == "BatchNormalization")
    epsilon = next(iter(norm.attribute), None)
    assert epsilon is None  # 1e-5 in the denominator: 300 times the weights
    weight = net.arrays[net.layers()[0].weight].copy()
    weight[1] = rng.normal(0, 1e-2, weight[1].shape)
    net.arrays[net.layers()[0].weight] = weight
    gamma = net.arrays[norm.input[1]].copy()
    gamma[1] = 100
    net.arrays[norm.input[1]] = gamma
    source, data = net.source(), frames(rng, net.source(), 32)
    found = {}
    for variance in (None, 1e-6):
        options = Options("minmax", per_channel=False, equalize="cross-layer",
                          dead_channels=variance)  # fmt: skip
        session = Session(source, data, options)
        session.net.fold_batchnorm()
        w = np.abs(session.net.arrays[session.layers[0].weight])
        found[variance] = w.max() / np.median(w)
    assert found[None] > 5 * found[1e-6]
