"""The oracle against onnxruntime on whole models, and its quantizers against worked examples."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from onnx import helper

from hwgen.core.errors import HwgenError
from hwgen.frontends import run_source, source_of
from hwgen.frontends.custom import CUSTOM
from hwgen.frontends.oracle import _Plan
from tests.frontends.networks import Net

ort = pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
F32 = np.float32
TIES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], F32)


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("ROUND", [-2, -2, 0, 0, 2, 2]), ("HALF_EVEN", [-2, -2, 0, 0, 2, 2]),
        ("HALF_UP", [-3, -2, -1, 1, 2, 3]), ("HALF_DOWN", [-2, -1, 0, 0, 1, 2]),
        ("UP", [-3, -2, -1, 1, 2, 3]), ("DOWN", [-2, -1, 0, 0, 1, 2]),
        ("CEIL", [-2, -1, 0, 1, 2, 3]), ("FLOOR", [-3, -2, -1, 0, 1, 2]),
    ],
)  # fmt: skip
def test_rounding_modes(mode: str, wanted: list[int]) -> None:
    y = CUSTOM["Quant"]({"rounding_mode": mode}, TIES, F32(1), F32(0), F32(4))
    assert y.tolist() == wanted


def test_zero_point_is_added_before_rounding() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], F32)
    y = CUSTOM["Quant"]({"signed": 1}, x, F32(1), F32(1), F32(8))
    assert (y + 1).tolist() == [2, 2, 4, 0, 0]


@pytest.mark.parametrize(
    ("signed", "narrow", "wanted"),
    [(1, 0, [-8, 7]), (1, 1, [-7, 7]), (0, 0, [0, 15]), (0, 1, [0, 14])],
)
def test_clamping(signed: int, narrow: int, wanted: list[int]) -> None:
    x = np.array([-99, 99], F32)
    y = CUSTOM["Quant"]({"signed": signed, "narrow": narrow}, x, F32(1), F32(0), F32(4))
    assert y.tolist() == wanted


def test_one_signed_bit_and_bipolar_take_zero_as_positive() -> None:
    x = np.array([-1, -0.0, 0, 1], F32)
    assert CUSTOM["Quant"]({}, x, F32(2), F32(0), F32(1)).tolist() == [-2, 2, 2, 2]
    assert CUSTOM["BipolarQuant"]({}, x, F32(3)).tolist() == [-3, 3, 3, 3]


def test_trunc_versions_differ_in_scale_and_clamp() -> None:
    x = np.array([-8, 5, 7, 15], F32)
    old = CUSTOM["Trunc"]({}, x, F32(1), F32(0), F32(5), F32(3))
    new = CUSTOM["Trunc"]({}, x, F32(1), F32(0), F32(5), F32(4), F32(3))
    assert old.tolist() == [-2, 1, 1, 3]
    assert new.tolist() == [-8, 4, 4, 12]
    clamped = CUSTOM["Trunc"]({}, x, F32(1), F32(0), F32(5), F32(4), F32(2))
    assert clamped.tolist() == [-8, 4, 4, 4]


def test_multi_threshold_layouts() -> None:
    x = np.arange(8, dtype=F32).reshape(1, 2, 2, 2)
    table = np.array([[1, 2], [5, 9]], F32)
    first = CUSTOM["MultiThreshold"]({"out_scale": 2.0, "out_bias": -1.0}, x, table)
    assert first.ravel().tolist() == [-1, 1, 3, 3, -1, 1, 1, 1]
    last = CUSTOM["MultiThreshold"]({"data_layout": "NHWC"}, x, table)
    assert last.ravel().tolist() == [0, 0, 2, 0, 2, 1, 2, 1]


def standard_model():
    net = Net(np.random.default_rng(3))
    x = net.node("Conv", "x", net.const(net.rng.normal(size=(4, 2, 3, 3))), pads=[1, 1, 1, 1])
    x = net.node("MaxPool", net.node("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Reshape", x, net.const([1, -1], np.int64))
    y = net.node(
        "Gemm", x, net.const(net.rng.normal(size=(16, 3))), net.const(net.rng.normal(size=3))
    )
    return net.model({"x": (1, 2, 4, 4)}, [y])


def test_equal_to_onnxruntime_frame_by_frame() -> None:
    model = standard_model()
    frames = np.random.default_rng(1).normal(size=(7, 2, 4, 4)).astype(F32)
    ours = run_source(source_of(model), {"x": frames})
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    name = model.graph.output[0].name
    alone = [session.run([name], {"x": frame[None]})[0][0] for frame in frames]
    assert np.allclose(ours[name], alone, rtol=1e-5)  # a batch may sum in another order
    single = run_source(source_of(model), {"x": frames[:1]})
    assert np.array_equal(single[name][0], alone[0])


def test_neighbours_share_a_session_and_inner_tensors_can_be_fetched() -> None:
    source = source_of(standard_model())
    assert len(_Plan.of(source, source.nodes, source.outputs).steps) == 1
    relu = next(node.output[0] for node in source.nodes if node.op_type == "Relu")
    frames = np.zeros((3, 2, 4, 4), F32)
    assert run_source(source, {"x": frames}, [relu])[relu].shape == (3, 4, 4, 4)


def test_models_that_mix_frames_run_one_by_one() -> None:
    net = Net(np.random.default_rng(0))
    y = net.node("Reshape", net.node("Transpose", "x", perm=[1, 0]), net.const([1, 6], np.int64))
    source = source_of(net.model({"x": (1, 6)}, [y]))
    frames = np.arange(12, dtype=F32).reshape(2, 6)
    assert np.array_equal(run_source(source, {"x": frames})[y], frames)


def test_wrong_inputs_and_names_are_refused() -> None:
    source = source_of(standard_model())
    for inputs in ({}, {"x": np.zeros((2, 3), F32)}, {"x": np.zeros((0, 2, 4, 4), F32)}):
        with pytest.raises(HwgenError) as caught:
            run_source(source, inputs)
        assert caught.value.problems[0].code == "HW112"
    with pytest.raises(HwgenError) as caught:
        run_source(source, {"x": np.zeros((1, 2, 4, 4), F32)}, ["nobody"])
    assert caught.value.problems[0].code == "HW110"


def test_a_model_that_onnxruntime_refuses() -> None:
    model = standard_model()
    node = next(n for n in model.graph.node if n.op_type == "MaxPool")
    node.attribute.append(helper.make_attribute("nonsense", 1))
    with pytest.raises(HwgenError) as caught:
        run_source(source_of(model), {"x": np.zeros((1, 2, 4, 4), F32)})
    assert caught.value.problems[0].code == "HW602"


def test_a_missing_onnxruntime_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(HwgenError) as caught:
        run_source(source_of(standard_model()), {"x": np.zeros((1, 2, 4, 4), F32)})
    (problem,) = caught.value.problems
    assert problem.code == "HW601"
    assert "pip install" in problem.help
