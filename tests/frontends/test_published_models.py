"""Models that other projects published, over whole data sets."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, quantize_input, read_model, run_source, source_of, widths
from hwgen.frontends.read import Source
from hwgen.ir.chain import Chain
from hwgen.ir.execute import run_frames
from hwgen.ops import TopK

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
DATA = Path(os.environ.get("HWGEN_DATA") or "/nonexistent")
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="HWGEN_DATA does not name the folder of published models"
)


def model(name: str) -> Path:
    return DATA / "models" / name


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The 10 000 test images as (N, 1, 28, 28) in 0..255, and their labels."""
    images, labels = (
        gzip.decompress((DATA / f"data/mnist-t10k-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return pixels.astype(np.float32), np.frombuffer(labels, np.uint8, offset=8)


@pytest.mark.parametrize(
    ("name", "accuracy", "bits"), [("TFC_1W1A", 0.9296, (1, 1)), ("TFC_2W2A", 0.9660, (2, 2))]
)
def test_tfc_on_ten_thousand_images(name: str, accuracy: float, bits: tuple[int, int]) -> None:
    source = read_model(model(f"qonnx_{name}.onnx"))
    graph, (pixels, labels) = lift(source), mnist()
    frames = {source.inputs[0]: pixels / np.float32(255)}
    (output,) = source.outputs
    ours, theirs = run_frames(graph, frames)[output], run_source(source, frames)[output]
    assert (ours != theirs).sum() == 0
    assert (ours.argmax(axis=1) == labels).mean() == accuracy
    assert [tuple(found) for _, *found in widths(graph)] == [bits] * 4
    golden = np.load(model(f"qonnx_{name}_mnist1000_logits.npz"))["logits"]
    # another executor, other orders of float32 operations: the integers behind must be the same
    assert np.array_equal(_codes(graph, ours[:1000]), _codes(graph, golden))


def _codes(graph, logits: np.ndarray) -> np.ndarray:
    """Integers whose dequantization is nearest to the logits."""
    (port,) = graph.outputs
    range_ = graph.type(port.value).range
    every = np.arange(range_.lo, range_.hi + 1)
    reals = port.chain(every[:, None])[:, :1].ravel()
    return every[np.abs(logits[..., None] - reals).argmin(axis=-1)]


def test_finn_multithreshold_tfc() -> None:
    source = read_model(model("finn_multithreshold_tfc_mnist.onnx"))
    graph, (pixels, labels) = lift(source), mnist()
    assert isinstance(graph.nodes[-1].op, TopK)
    frame = {"global_in": np.load(model("finn_multithreshold_tfc_mnist_input.npy"))}
    expected = np.load(model("finn_multithreshold_tfc_mnist_expected.npy"))
    assert np.array_equal(run_frames(graph, frame)["global_out"], expected.reshape(1, 1))
    ours = run_frames(graph, {"global_in": pixels})["global_out"]
    assert np.array_equal(ours, run_source(source, {"global_in": pixels})["global_out"])
    assert (ours[:, 0] == labels).mean() == 0.9296


def test_jet_tagging_with_a_stated_input_format() -> None:
    """Its input has no quantizer: a fixed-point format must be stated, and is then exact."""
    golden = np.load(model("qonnx_qkeras_jettagging_golden.npz"))
    source = read_model(model("qonnx_qkeras_jettagging.onnx"))
    theirs = run_source(source, {"global_in": golden["x"]})["global_out"]
    assert np.array_equal(theirs, golden["y"])
    with pytest.raises(HwgenError) as caught:
        lift(source)
    assert caught.value.problems[0].code == "HW203"

    source = quantize_input(source, "global_in", bits=16, scale=2.0**-10)
    graph = lift(source)
    raw = run_frames(graph, {"global_in": golden["x"]}, raw=True)["global_out"]
    (port,) = graph.outputs
    assert port.chain.steps[-1].kind == "softmax"
    logits = Chain(port.chain.steps[:-1])(raw)
    truth = run_source(source, {"global_in": golden["x"]}, ["Add_3_out0"])["Add_3_out0"]
    assert np.array_equal(logits, truth)
    assert np.array_equal(logits.argmax(axis=1), golden["y"].argmax(axis=1))
    assert [tuple(found) for _, *found in widths(graph)] == [(6, 16), (6, 6), (6, 6), (6, 6)]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("qonnx_espcn_subpixel_quant.onnx", {"HW201", "HW203"}),
        ("onnxzoo_mnist_conv_float_opset8.onnx", {"HW203"}),
        ("cifar10_resnet20_float.onnx", {"HW203", "HW201", "HW202"}),
        ("hls4ml_three_layer_keras_float.onnx", {"HW203"}),
    ],
)
def test_models_beyond_reach_are_refused_with_reasons(name: str, codes: set[str]) -> None:
    with pytest.raises(HwgenError) as caught:
        lift(read_model(model(name)))
    problems = caught.value.problems
    assert {p.code for p in problems} <= codes
    assert all(p.where and p.why for p in problems)


def layer(source: Source, first: str, last: str, shape: tuple[int, ...]) -> Source:
    """The part of a model that makes tensor ``last`` from ``first``, of ``shape``."""
    needed, nodes = {last}, []
    for node in reversed(source.nodes):
        if needed.intersection(node.output) and first not in node.output:
            nodes.insert(0, node)
            needed.update(node.input)
    part = ModelProto()
    part.CopyFrom(source.model)
    del part.graph.node[:], part.graph.input[:], part.graph.output[:]
    part.graph.node.extend(nodes)
    part.graph.input.append(helper.make_tensor_value_info(first, TensorProto.FLOAT, shape))
    part.graph.output.append(helper.make_empty_tensor_value_info(last))
    return source_of(part)


def test_espcn_layer_by_layer() -> None:
    """A convolutional network with arbitrary scales: each layer on the source's own input.

    Codes may differ only where float32 noise decides a rounding, next to a half.
    """
    source = read_model(model("qonnx_espcn_subpixel_quant.onnx"))
    source = quantize_input(source, "x.7", bits=8, scale=2.0**-8, signed=False)
    assert [type(n.op).__name__ for n in lift(source).nodes] == ["Conv", "Threshold"] * 4
    waves = np.linspace(0, 6, 128)
    image = 0.5 + 0.5 * np.sin(waves[:, None] + np.arange(3)[:, None, None]) * np.cos(waves)
    frames = {"x.7": image[None].astype(np.float32)}
    stages = ["x.7_quantized", "x.3", "x.12", "x.20", "79"]
    makers = {node.output[0]: node for node in source.nodes}
    reals = [makers[name].input[0] for name in stages[1:]]
    truth = run_source(source, frames, [*stages, *reals])
    ties = {}
    for first, last, real in zip(stages, stages[1:], reals, strict=False):
        scale, zero, bits = (source.constants[name] for name in makers[first].input[1:])
        assert zero == 0
        part = layer(source, first, last, (1, *truth[first].shape[1:]))
        part = quantize_input(part, first, bits=int(bits), scale=float(scale), signed=False)
        ours = run_frames(lift(part), {first: truth[first]})[last]
        step = source.constants[makers[last].input[1]]
        codes, theirs = np.rint(ours / step), np.rint(truth[last] / step)
        different = codes != theirs
        fraction = (truth[real][different].astype(np.float64) / step) % 1
        assert (np.abs(fraction - 0.5) < 1e-4).all()
        ties[last] = int(different.sum())
    assert sum(ties.values()) < 1e-4 * sum(truth[name].size for name in stages[1:])
