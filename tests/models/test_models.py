"""The shipped models: their files are the stated ones, and score exactly what is stated."""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType

import numpy as np
import onnx
import pytest

from hwgen.core.resources import resource

MODELS = resource("models")
STATED = json.loads((MODELS / "models.json").read_text())


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure", MODELS / "measure.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_model_is_stated():
    assert {path.stem for path in MODELS.glob("*.onnx")} == set(STATED)
    assert {path.stem for path in MODELS.glob("*.npz")} == set(STATED)


def test_folder_is_small():
    assert sum(path.stat().st_size for path in MODELS.glob("*.*")) < 2_000_000


@pytest.mark.parametrize("name", STATED)
def test_measured_as_stated(measure: ModuleType, name: str):
    """Sizes, checksums, parameters, MACs, and every single correct frame."""
    measured = measure.measure(name)
    assert measured == {key: STATED[name][key] for key in measured}


def test_readme_states_the_same(measure: ModuleType):
    assert measure.table(STATED) in (MODELS / "README.md").read_text()


def test_a_wrong_weight_is_noticed(
    measure: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
):
    """The comparison above can fail: with one layer's weights negated the score is another."""
    name, folder = "digits_mlp_w2a4", tmp_path_factory.mktemp("models")
    model = onnx.load(MODELS / f"{name}.onnx")
    tensor = next(t for t in model.graph.initializer if t.name.endswith("_weight"))
    tensor.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, folder / f"{name}.onnx")
    (folder / f"{name}.npz").write_bytes((MODELS / f"{name}.npz").read_bytes())
    monkeypatch.setattr(measure, "HERE", folder)
    measured = measure.measure(name)
    assert measured["correct_integer"] < STATED[name]["correct_integer"]
    assert measured["sha256"] != STATED[name]["sha256"]


@pytest.mark.parametrize("name", STATED)
def test_frames_fit_the_model(name: str):
    model = onnx.load(MODELS / f"{name}.onnx")
    onnx.checker.check_model(model)
    (port,) = model.graph.input
    shape = tuple(d.dim_value for d in port.type.tensor_type.shape.dim)
    with np.load(MODELS / f"{name}.npz") as stored:
        x, labels = stored["x"], stored["labels"]
    assert (1, *x.shape[1:]) == shape
    assert x.dtype == np.float32
    assert len(x) == len(labels) >= 200
    assert set(labels) == set(range(10))


@pytest.mark.parametrize("name", STATED)
def test_every_weight_and_activation_is_quantized(name: str):
    """Each operand of each dense or convolution layer comes out of a quantizer."""
    graph = onnx.load(MODELS / f"{name}.onnx").graph
    producer = {output: node for node in graph.node for output in node.output}

    def quantized(edge: str) -> bool:
        node = producer[edge]
        if node.op_type in ("Transpose", "Flatten", "MaxPool"):
            return quantized(node.input[0])
        return node.op_type in ("Quant", "BipolarQuant")

    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert layers
    assert all(quantized(edge) for node in layers for edge in node.input[:2])
