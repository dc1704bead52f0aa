"""Plain post-training quantization on small float nets."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwgen.core.errors import HwgenError
from hwgen.frontends import Source, lift, run_source, source_of, widths
from hwgen.frontends.annotate import is_float
from hwgen.ir.execute import run_frames
from hwgen.passes import run_passes
from hwgen.quantize import quantize
from hwgen.quantize.ptq import _groups, activation_quantizer, weight_quantizer


def model(nodes, inputs, outputs, arrays) -> Source:
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(np.asarray(a, np.float32), n) for n, a in arrays.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return source_of(made, name="net")


def float_cnn(rng: np.random.Generator) -> Source:
    arrays = {
        "w0": rng.normal(0, 0.3, (6, 2, 3, 3)), "b0": rng.normal(0, 0.1, 6),
        "w1": rng.normal(0, 0.2, (5, 6 * 16)), "b1": rng.normal(0, 0.1, 5),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w1", "b1"], ["y"], "fc", transB=1),
    ]
    return model(nodes, {"x": (1, 2, 8, 8)}, {"y": (1, 5)}, arrays)


def error(source: Source, wbits: int, abits: int, frames: np.ndarray) -> float:
    """Root mean square error of the integer graph against the float model, relative."""
    graph = run_passes(lift(quantize(source, wbits, abits, {"x": frames})))
    exact = run_source(source, {"x": frames})["y"]
    found = run_frames(graph, {"x": frames})["y"]
    return float(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))


def test_error_falls_with_bits():
    rng = np.random.default_rng(0)
    source, frames = float_cnn(rng), rng.normal(0, 1, (64, 2, 8, 8)).astype(np.float32)
    errors = [error(source, bits, bits, frames) for bits in (2, 4, 6, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


@pytest.mark.parametrize("wbits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("abits", [1, 2, 4, 8])
def test_widths_are_those_asked_for(wbits, abits):
    rng = np.random.default_rng(1)
    source, frames = float_cnn(rng), rng.normal(0, 1, (16, 2, 8, 8)).astype(np.float32)
    assert is_float(source)
    quantized = quantize(source, wbits, abits, {"x": frames})
    assert not is_float(quantized)
    found = widths(run_passes(lift(quantized)))
    assert all(bits <= wbits for _, bits, _ in found)
    assert [bits for _, _, bits in found][1:] == [abits]


def test_integer_graph_equals_the_quantized_model():
    rng = np.random.default_rng(2)
    source, frames = float_cnn(rng), rng.normal(0, 1, (32, 2, 8, 8)).astype(np.float32)
    quantized = quantize(source, 4, 4, {"x": frames})
    exact = run_source(quantized, {"x": frames})["y"]
    found = run_frames(run_passes(lift(quantized)), {"x": frames})["y"]
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)


def test_a_sum_shares_one_scale():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "a"),
        helper.make_node("Add", ["x", "a"], ["s"], "s"),
        helper.make_node("Conv", ["s", "w"], ["y"], "y"),
    ]
    source = model(nodes, {"x": (1, 1, 4, 4)}, {"y": (1, 1, 4, 4)}, {"w": np.ones((1, 1, 1, 1))})
    assert sorted(map(sorted, _groups(source, source.constants))) == [["a", "x"], ["s"]]


def test_weight_scales_span_each_channel():
    weight = np.array([[1.0, -2.0], [0.5, 0.25], [0.0, 0.0]])
    scale = weight_quantizer(weight, 4, 0).scale
    np.testing.assert_allclose(scale.ravel(), [2 / 7, 0.5 / 7, 1.0], rtol=1e-6)
    one_bit = weight_quantizer(weight, 1, 0).scale
    np.testing.assert_allclose(one_bit.ravel(), [1.5, 0.375, 1.0], rtol=1e-6)


def test_an_outlier_is_clipped():
    values = np.concatenate([np.random.default_rng(0).uniform(0, 1, 10_000), [2.5]])
    quantizer = activation_quantizer(values, 3)
    assert not quantizer.signed
    assert quantizer.scale * 7 < 1.5


def test_a_model_without_weights_is_refused():
    source = model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, 4)}, {"y": (1, 4)}, {})
    with pytest.raises(HwgenError, match="HW206"):
        quantize(source, 4, 4, {"x": np.ones((2, 4), np.float32)})
