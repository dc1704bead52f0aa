"""From float nets to integer graphs: widths, grids, exactness, options."""

import gzip

import numpy as np
import pytest

from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, read_model, run_source, widths
from hwgen.frontends.annotate import is_float
from hwgen.frontends.float_net import FloatNet
from hwgen.ir.execute import run_frames
from hwgen.passes import run_passes
from hwgen.quantize import Options, Session, quantize
from hwgen.quantize.activations import cells, codes_kept, roots
from hwgen.quantize.clipping import METHODS
from hwgen.quantize.sqnr import sqnr
from tests.quantize.nets import DATA, cnn, frames, model, node, norm, residual, separable


def integers(source, data):
    """What the integer graph of a quantized model computes."""
    (found,) = run_frames(run_passes(lift(source)), data).values()
    return found


def test_error_falls_with_bits():
    rng = np.random.default_rng(0)
    source = cnn(rng)
    data = frames(rng, source, 64)
    exact = run_source(source, data)["y"]
    ratios = [sqnr(exact, integers(quantize(source, b, b, data), data)) for b in (2, 4, 6, 8)]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 33


@pytest.mark.parametrize("wbits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("abits", [1, 2, 4, 8])
def test_widths_are_those_asked_for(wbits, abits):
    rng = np.random.default_rng(1)
    source = cnn(rng)
    assert is_float(source)
    quantized = quantize(source, wbits, abits, frames(rng, source, 16))
    assert not is_float(quantized)
    found = widths(run_passes(lift(quantized)))
    assert all(bits <= wbits for _, bits, _ in found)
    assert [bits for _, _, bits in found][1:] == [abits]


EVERY = [
    *({"method": method} for method in METHODS), {"method": "adaround"},
    {"bias_correction": True}, {"bias_correction": True, "match_variance": True},
    {"method": "adaround", "bias_correction": True, "sequential": True},
    {"equalize": "cross-layer"}, {"equalize": "smooth"}, {"equalize": True},
    {"bit_allocation": True}, {"subtensor": 2}, {"per_channel": False}, {"dead_channels": 1e-5},
]  # fmt: skip


@pytest.mark.parametrize("options", EVERY, ids=str)
def test_the_integer_graph_equals_the_quantized_model(options):
    """Whatever was done to weights and biases, the codes in the model are the integers."""
    rng = np.random.default_rng(2)
    source = cnn(rng)
    data = frames(rng, source, 24)
    quantized = quantize(source, 3, 3, data, **options)
    exact = run_source(quantized, data)["y"]
    np.testing.assert_allclose(integers(quantized, data), exact, rtol=1e-5, atol=1e-5)
    reread = read_again(quantized)
    np.testing.assert_array_equal(run_source(reread, data)["y"], exact)


def read_again(source):
    from hwgen.frontends import source_of

    model_ = type(source.model)()
    model_.ParseFromString(source.model.SerializeToString())
    return source_of(model_, name=source.name)


def test_codes_in_the_model_are_those_that_were_found():
    rng = np.random.default_rng(3)
    source = cnn(rng)
    data = frames(rng, source, 24)
    options = Options("adaround", bias_correction=True)
    made = Session(source, data, options).run(3, 4, options)
    found = widths(run_passes(lift(made.source)))
    expected = [made.codes[name].codes for name in ("conv", "fc")]
    conv = found[0][0].op.weight.transpose(3, 2, 0, 1).reshape(6, -1)
    np.testing.assert_array_equal(conv, expected[0])
    assert sorted(found[1][0].op.weight.ravel()) == sorted(expected[1].ravel())


def test_allocated_bits_have_the_mean_that_was_asked_for():
    rng = np.random.default_rng(4)
    source = separable(rng, uneven=3.0)
    options = Options(bit_allocation=True)
    made = Session(source, frames(rng, source, 16), options).run(3, 4, options)
    for codes in made.codes.values():
        assert codes.bits.mean() <= 3
        top = np.where(codes.bits > 1, 2.0 ** (codes.bits - 1) - 1, codes.bits)
        assert (np.abs(codes.codes).max(axis=1) <= top).all()


def test_learned_rounding_and_bias_correction_raise_the_ratio():
    rng = np.random.default_rng(5)
    source = separable(rng)
    data, fresh = frames(rng, source, 96), frames(rng, source, 64)
    exact = run_source(source, fresh)["y"]
    ratio = {}
    for name, options in {
        "nearest": {}, "corrected": {"bias_correction": True},
        "learned": {"method": "adaround", "bias_correction": True},
    }.items():  # fmt: skip
        quantized = quantize(source, 2, 8, data, **options)
        ratio[name] = sqnr(exact, run_source(quantized, fresh)["y"])
    assert ratio["corrected"] > ratio["nearest"]
    assert ratio["learned"] > ratio["corrected"]


def test_rounding_is_learned_for_what_the_bias_leaves():
    """With bias correction only the variance of an output's error counts: it never grows."""
    rng = np.random.default_rng(14)
    source = cnn(rng)
    data = {"x": frames(rng, source, 64)["x"] + 3}  # means that would outweigh all else
    made = {}
    for method in ("mse", "adaround"):
        options = Options(method, bias_correction=True)
        made[method] = Session(source, data, options).run(2, 4, options)
    for layer in made["mse"].session.layers:
        spread = {}
        for method, result in made.items():
            x = result.session.columns[layer.name][:, 0]
            quantizer = result.session.input_quantizer(layer, result.quantizers)
            error = x @ result.rows[layer.name].T
            error -= codes_kept(x, quantizer) @ result.codes[layer.name].rows.T
            spread[method] = error.var(axis=0)
        assert (spread["adaround"] <= spread["mse"] * (1 + 1e-5)).all()
        assert spread["adaround"].sum() < spread["mse"].sum()


def test_inputs_are_not_clipped():
    rng = np.random.default_rng(15)
    source = cnn(rng)
    data = frames(rng, source, 16)
    data["x"][0, 0, 0, 0] = 50.0
    options = Options("percentile")
    made = Session(source, data, options).run(4, 4, options)
    assert float(made.quantizers["x"].scale) == pytest.approx(50 / 127, rel=1e-3)


def test_weights_are_symmetric_in_the_model():
    rng = np.random.default_rng(16)
    source = cnn(rng)
    quantized = quantize(source, 3, 3, frames(rng, source, 8))
    narrow = {n.output[0]: [a.i for a in n.attribute if a.name == "narrow"]
              for n in quantized.nodes if n.op_type == "Quant"}  # fmt: skip
    assert narrow["w0_quantized"] == narrow["w1_quantized"] == [1]
    assert narrow["r_quantized"] == [0]


def test_layers_can_have_widths_of_their_own():
    rng = np.random.default_rng(6)
    source = cnn(rng)
    data = frames(rng, source, 16)
    quantized = quantize(source, 4, 4, data, widths={"fc": (2, 3), "conv": (6, 8)})
    assert [pair for _, *pair in widths(run_passes(lift(quantized)))] == [[6, 8], [2, 3]]


# Grids of activations


def test_summands_have_scales_a_power_of_two_apart():
    rng = np.random.default_rng(7)
    source = residual(rng)
    data = frames(rng, source, 16)
    net = FloatNet(source)
    families = cells(net, net.layers(), {layer.name: 4 for layer in net.layers()})
    assert sorted(sorted(sorted(c.tensors)[0] for c in f) for f in families) == [
        ["a"], ["c1", "r0"], ["r1"], ["x"],
    ]  # fmt: skip
    options = Options()
    made = Session(source, data, options).run(4, 4, options)
    found = made.quantizers
    ratio = np.log2(float(found["c1"].scale) / float(found["r0"].scale))
    assert ratio == round(ratio)
    assert (found["r0"].bits, found["r0"].signed) == (8, False)
    assert (found["c1"].bits, found["c1"].signed) == (8, True)
    assert (found["r0_operand"].bits, found["x"].bits) == (4, 8)
    (exact,) = run_source(source, data).values()
    (y,) = run_source(quantize(source, 8, 8, data), data).values()
    assert sqnr(exact, y) > 30


@pytest.mark.parametrize(("sum_bits", "bits"), [(8, 8), (6, 6), (4, 4), (2, 4)])
def test_a_summand_that_is_multiplied_has_both_widths(sum_bits, bits):
    """Layers read narrow codes, sums wide ones; the integers are those of the quantized model."""
    rng = np.random.default_rng(7)
    source = residual(rng)
    data = frames(rng, source, 16)
    made = quantize(source, 4, 4, data, sum_bits=sum_bits)
    graph = run_passes(lift(made))
    assert [abits for *_, abits in widths(graph)] == [8, 4, 4]
    (add,) = (n for n in graph.nodes if type(n.op).__name__ == "Add")
    assert [graph.type(name).range.hi for name in add.inputs] == [2 ** (bits - 1) - 1, 2**bits - 1]
    exact = run_source(made, data)["y"]  # a step of the codes is some 1e-2
    np.testing.assert_allclose(integers(made, data), exact, rtol=1e-5, atol=1e-5)


def test_wide_sums_raise_the_ratio():
    rng = np.random.default_rng(21)
    source = residual(rng)
    data = frames(rng, source, 64)
    exact = run_source(source, data)["y"]
    wide, narrow = (
        sqnr(exact, integers(quantize(source, 8, 3, data, sum_bits=bits), data)) for bits in (8, 3)
    )
    assert wide > narrow + 1


def test_edges_keep_their_bits():
    rng = np.random.default_rng(22)
    source = residual(rng)
    made = quantize(source, 3, 4, frames(rng, source, 8), edge_bits=6)
    assert [bits for _, bits, _ in widths(run_passes(lift(made)))] == [6, 3, 6]


def test_what_a_concat_joins_shares_one_grid():
    rng = np.random.default_rng(8)
    arrays = {f"w{k}": rng.normal(0, 1, (3, 2 + 4 * (k == 2), 1, 1)) for k in range(3)}
    nodes = [
        node("Conv", ["x", "w0"], ["a"]), node("Conv", ["x", "w1"], ["b"]),
        node("Relu", ["a"], ["r"]), node("Concat", ["r", "b"], ["j"], axis=1),
        node("Conv", ["j", "w2"], ["y"]),
    ]  # fmt: skip
    source = model(nodes, {"x": (1, 2, 4, 4)}, {"y": (1, 3, 4, 4)}, arrays)
    net = FloatNet(source)
    assert roots(net, "j") == ["r", "b"]
    options = Options()
    made = Session(source, frames(rng, source, 8), options).run(4, 4, options).quantizers
    assert (made["r"].scale, made["r"].signed) == (made["b"].scale, True)
    assert set(made) == {"x", "r", "b"}


def test_pixels_keep_their_integers():
    rng = np.random.default_rng(9)
    source = cnn(rng)
    for step, bits in ((1.0, 8), (1 / 255, 8), (1 / 128, 8)):
        pixels = rng.integers(0, 256, (8, 2, 8, 8)) * step
        options = Options()
        made = Session(source, {"x": pixels}, options).run(4, 4, options)
        quantizer = made.quantizers["x"]
        assert (quantizer.bits, quantizer.signed) == (bits, False)
        assert quantizer.scale == np.float32(step)


def test_quantizers_stand_before_pooling():
    net = FloatNet(cnn(np.random.default_rng(10)))
    assert roots(net, "f") == ["r"]


def test_batchnorm_alone_is_enough_to_quantize():
    rng = np.random.default_rng(11)
    arrays = {
        "w0": rng.normal(0, 0.3, (6, 2, 3, 3)), "w1": rng.normal(0, 0.3, (4, 6, 3, 3)),
    }  # fmt: skip
    nodes = [node("Conv", ["x", "w0"], ["c"]), norm("n", "c", "d", 6, rng, arrays)]
    nodes += [node("Relu", ["d"], ["r"]), node("Conv", ["r", "w1"], ["y"])]
    source = model(nodes, {"x": (1, 2, 8, 8)}, {"y": (1, 4, 4, 4)}, arrays)
    data = frames(rng, source, 64)
    seen = run_source(source, data, ["c"])["c"]  # as training would have left the statistics
    arrays["n_m"], arrays["n_v"] = seen.mean(axis=(0, 2, 3)), seen.var(axis=(0, 2, 3))
    source = model(nodes, {"x": (1, 2, 8, 8)}, {"y": (1, 4, 4, 4)}, arrays)
    exact = run_source(source, data)["y"]
    blind = quantize(source, 8, 8, None, "mse", input_range=(-4.0, 4.0))
    assert sqnr(exact, run_source(blind, data)["y"]) > 25
    with pytest.raises(HwgenError, match="HW112"):
        quantize(cnn(rng), 8, 8, None)
    for options in ({"bias_correction": True}, {"method": "adaround"}, {"equalize": "smooth"}):
        with pytest.raises(HwgenError, match="HW110"):
            quantize(source, 8, 8, None, **options)


# What cannot be


def test_a_model_without_weights_is_refused():
    source = model([node("Relu", ["x"], ["y"])], {"x": (1, 4)}, {"y": (1, 4)}, {})
    with pytest.raises(HwgenError, match="HW206"):
        quantize(source, 4, 4, {"x": np.ones((2, 4), np.float32)})


def test_constant_activations_are_refused():
    rng = np.random.default_rng(12)
    source = cnn(rng)
    net = FloatNet(source)
    net.arrays["b0"] = np.full(6, -1e6, np.float32)  # nothing passes the ReLU
    with pytest.raises(HwgenError, match="HW112") as error:
        quantize(net.source(), 4, 4, frames(rng, source, 4))
    assert "`r`" in str(error.value)


@pytest.mark.parametrize(
    ("bits", "options", "place"),
    [
        ((0, 4), {}, "--wbits"), ((4, 9), {}, "--abits"), ((4, 2.5), {}, "--abits"),
        ((4, 4), {"method": "best"}, "--method"), ((4, 4), {"equalize": "x"}, "--equalize"),
        ((4, 4), {"sum_bits": 9}, "--sum-bits"), ((4, 4), {"edge_bits": 0}, "--edge-bits"),
        ((4, 4), {"subtensor": 0}, "--subtensor"), ((4, 4), {"widths": {"no": (2, 2)}}, "`no`"),
        ((4, 4), {"widths": {"fc": (2, 12)}}, "`fc`"),
        ((4, 4), {"dead_channels": -1.0}, "--dead-channels"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(bits, options, place):
    rng = np.random.default_rng(13)
    source = cnn(rng)
    with pytest.raises(HwgenError, match="HW110") as error:
        quantize(source, *bits, frames(rng, source, 4), **options)
    assert place in str(error.value)


# Published models


@pytest.mark.skipif(not DATA.is_dir(), reason="HWGEN_DATA does not name the folder of models")
def test_a_published_mnist_net_keeps_its_accuracy():
    """ONNX model zoo's mnist-8, 98 % in float: the integers, on 300 test images."""
    source = read_model(DATA / "models" / "onnxzoo_mnist_conv_float_opset8.onnx")
    with gzip.open(DATA / "data" / "mnist-t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 1, 28, 28)
    with gzip.open(DATA / "data" / "mnist-t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)[:300]
    given, test = {"Input3": images[5000:5128]}, {"Input3": images[:300].astype(np.float32)}
    right = {
        method: (integers(quantize(source, 2, 2, given, **options), test).argmax(axis=1) == labels)
        for method, options in (
            ("mse", {}), ("adaround", {"method": "adaround", "bias_correction": True}),
        )
    }  # fmt: skip
    assert right["adaround"].mean() > 0.9
    assert right["adaround"].mean() > right["mse"].mean() + 0.03
