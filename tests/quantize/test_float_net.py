"""Rewriting float models leaves what they compute."""

import numpy as np
import pytest

from hwgen.core.errors import HwgenError
from hwgen.frontends import run_source
from hwgen.frontends.annotate import is_float
from hwgen.frontends.float_net import FloatNet
from hwgen.quantize import quantize
from tests.quantize.nets import cnn, frames, model, node, residual, separable


def same(before, after, data, rtol=1e-5):
    for name, exact in run_source(before, data).items():
        scale = np.abs(exact).max()
        np.testing.assert_allclose(run_source(after, data)[name], exact, atol=rtol * scale)


@pytest.mark.parametrize("build", [cnn, separable, residual])
def test_reading_and_closing_changes_nothing(build):
    rng = np.random.default_rng(0)
    source = build(rng)
    same(source, FloatNet(source).source(), frames(rng, source, 3), rtol=0)


def test_batchnorm_folds_into_the_layer_before():
    rng = np.random.default_rng(1)
    source = separable(rng)
    net = FloatNet(source)
    net.fold_batchnorm()
    folded = net.source()
    assert not any(n.op_type == "BatchNormalization" for n in folded.nodes)
    assert [layer.bias is not None for layer in net.layers()] == [True] * 4
    same(source, folded, frames(rng, source, 3))


@pytest.mark.parametrize("build", [cnn, separable, residual])
def test_biases_are_added_where_the_layer_ends(build):
    rng = np.random.default_rng(2)
    source = build(rng)
    net, data = FloatNet(source), frames(rng, source, 2)
    for name in [layer.name for layer in net.layers()]:
        layer = next(x for x in net.layers() if x.name == name)
        delta = rng.normal(0, 1, layer.outputs)
        before = run_source(net.source(), data, [layer.y])[layer.y]
        net.add_to_bias(layer, delta)
        after = run_source(net.source(), data, [layer.y])[layer.y]
        shape = (1, -1, *[1] * (before.ndim - 2))
        np.testing.assert_allclose(after, before + delta.reshape(shape), rtol=1e-4, atol=1e-5)


def test_a_product_without_bias_keeps_the_name_of_its_output():
    source = model([node("MatMul", ["x", "w"], ["y"])], {"x": (1, 3)}, {"y": (1, 2)},
                   {"w": np.ones((3, 2))})  # fmt: skip
    net = FloatNet(source)
    net.add_to_bias(net.layers()[0], np.array([1.0, -1.0]))
    out = run_source(net.source(), {"x": np.ones((1, 3), np.float32)})
    np.testing.assert_array_equal(out["y"], [[4, 2]])


@pytest.mark.parametrize("build", [cnn, separable, residual])
def test_rows_and_views_lead_back(build):
    net = FloatNet(build(np.random.default_rng(3)))
    for layer in net.layers():
        weight = net.arrays[layer.weight]
        np.testing.assert_array_equal(layer.unrows(layer.rows(weight)), weight)
        np.testing.assert_array_equal(layer.unview(layer.view(weight)), weight)
        assert len(layer.rows(weight)) == layer.outputs
        factor = np.arange(1, layer.outputs + 1.0)
        scaled = layer.rows(weight) * factor[:, None]
        np.testing.assert_allclose(layer.unrows(scaled), weight * layer.per_output(factor))


def test_weights_made_of_constants_are_folded_and_shared_ones_parted():
    arrays = {"w": np.ones((2, 3)), "axes": np.array([2, 2]), "v": np.ones((2, 2))}
    nodes = [
        node("Transpose", ["w"], ["wt"]), node("MatMul", ["x", "wt"], ["a"], "first"),
        node("MatMul", ["a", "v"], ["b"], "second"), node("MatMul", ["b", "v"], ["y"], "third"),
    ]  # fmt: skip
    net = FloatNet(model(nodes, {"x": (1, 3)}, {"y": (1, 2)}, arrays))
    layers = net.layers()
    assert [layer.name for layer in layers] == ["first", "second", "third"]
    assert len({layer.weight for layer in layers}) == 3
    assert not any(n.op_type == "Transpose" for n in net.nodes)


@pytest.mark.parametrize("scale", [np.float32(0.5), np.array([0.5, 2.0, 1.0], np.float32)])
def test_stored_integers_are_weights(scale):
    """Files that keep integers and a scale for size are float models all the same."""
    codes = np.arange(-3, 3, dtype=np.int8).reshape(2, 3)
    arrays = {"q": codes, "z": np.ones(np.shape(scale), np.int8)}
    nodes = [node("DequantizeLinear", ["q", "s", "z"], ["w"]), node("MatMul", ["x", "w"], ["y"])]
    source = model(nodes, {"x": (1, 2)}, {"y": (1, 3)}, arrays | {"s": scale})
    assert is_float(source)
    net = FloatNet(source)
    np.testing.assert_array_equal(net.arrays["w"], (codes - 1) * scale)
    same(source, net.source(), frames(np.random.default_rng(0), source, 3))


def test_a_bias_added_behind_a_convolution_is_the_layers_own():
    arrays = {"w": np.ones((4, 1, 1, 1)), "b": np.arange(4.0).reshape(4, 1, 1)}
    nodes = [node("Conv", ["x", "w"], ["c"]), node("Add", ["c", "b"], ["y"])]
    net = FloatNet(model(nodes, {"x": (1, 1, 2, 2)}, {"y": (1, 4, 2, 2)}, arrays))
    (layer,) = net.layers()
    assert (layer.bias, layer.y) == ("b", "y")


def test_a_residual_add_is_no_bias():
    net = FloatNet(residual(np.random.default_rng(0)))
    assert [layer.bias for layer in net.layers()] == [None, None, "b2"]


def test_a_quantized_model_is_refused():
    rng = np.random.default_rng(4)
    source = cnn(rng)
    quantized = quantize(source, 4, 4, frames(rng, source, 4))
    with pytest.raises(HwgenError, match="quantized already"):
        quantize(quantized, 4, 4, frames(rng, source, 4))
