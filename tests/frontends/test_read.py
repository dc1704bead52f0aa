"""Files that are not what they should be: each refused with its code, none with a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from hwgen.core.errors import HwgenError
from hwgen.frontends import Limits, quantize_input, read_model, source_of
from tests.frontends.networks import DOMAIN, Net


def sound() -> ModelProto:
    """One quantized layer: x -> Quant -> MatMul -> y."""
    net = Net(np.random.default_rng(0))
    x = net.quant("x", 0.25, 4)
    y = net.node("MatMul", x, net.quant(net.const(np.ones((4, 3))), 0.5, 3))
    return net.model({"x": (1, 4)}, [y])


def code_of(model: ModelProto, **limits: int) -> str:
    with pytest.raises(HwgenError) as caught:
        source_of(model, limits=Limits(**limits))
    return caught.value.problems[0].code


def test_a_sound_model_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(sound().SerializeToString())
    source = read_model(path)
    assert (source.name, source.path, source.opset) == ("m", str(path), 13)
    assert source.shapes == {"x": (1, 4)}
    assert source.frame_shape("x") == (4,)


def test_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path, Path("/dev/zero")):
        with pytest.raises(HwgenError) as caught:
            read_model(path)
        assert caught.value.problems[0].code == "HW101"


@pytest.mark.parametrize(
    "data", [b"", b"hello world", b"\x00" * 100, b"\xff" * 64, bytes(range(256))]
)
def test_bytes_that_are_no_model(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(HwgenError) as caught:
        read_model(path)
    assert caught.value.problems[0].code == "HW102"


def test_a_model_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    whole, path = sound().SerializeToString(), tmp_path / "m.onnx"
    refused = 0
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        try:
            read_model(path)
        except HwgenError as error:
            refused += error.exit_code == 3
    assert refused == len(range(0, len(whole), 7))


def test_file_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(sound().SerializeToString())
    with pytest.raises(HwgenError) as caught:
        read_model(path, Limits(bytes=10))
    assert caught.value.problems[0].code == "HW106"


def test_node_and_element_limits() -> None:
    assert code_of(sound(), nodes=2) == "HW106"
    assert code_of(sound(), elements=11) == "HW106"


def dangling(model: ModelProto) -> None:
    model.graph.node[0].input[0] = "nobody"


def cycle(model: ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def twice(model: ModelProto) -> None:
    model.graph.node[0].output[0] = model.graph.node[-1].output[0]


def twice_initialized(model: ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def no_output_maker(model: ModelProto) -> None:
    model.graph.output[0].name = "nobody"


def short_data(model: ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 2)
    tensor.raw_data = tensor.raw_data[:-1]


def long_data(model: ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 2)
    tensor.raw_data += b"\0\0\0\0"


def negative_dimension(model: ModelProto) -> None:
    next(t for t in model.graph.initializer if len(t.dims) == 2).dims[0] = -4


def unknown_type(model: ModelProto) -> None:
    model.graph.initializer[0].data_type = 999


def external(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def no_opset(model: ModelProto) -> None:
    del model.opset_import[:]


MALFORMED = (
    dangling, cycle, twice, twice_initialized, no_output_maker, short_data, long_data,
    negative_dimension, unknown_type, external, no_opset,
)  # fmt: skip


def test_malformed() -> None:
    for breaks in MALFORMED:
        model = sound()
        breaks(model)
        assert code_of(model) == "HW103", breaks.__name__


def replaced(model: ModelProto, shape: tuple[int, ...], value: float) -> ModelProto:
    """The model with one element of the first initializer of a shape replaced."""
    for tensor in model.graph.initializer:
        if tuple(tensor.dims) == shape:
            array = numpy_helper.to_array(tensor).copy()
            array.flat[0] = value
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
            return model
    raise AssertionError("no such initializer")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_must_be_numbers(value: float) -> None:
    assert code_of(replaced(sound(), (4, 3), value)) == "HW104"


@pytest.mark.parametrize("value", [0.0, -0.25, np.nan, np.inf])
def test_scales_must_be_positive(value: float) -> None:
    assert code_of(replaced(sound(), (), value)) == "HW104"


@pytest.mark.parametrize("shape", [(1, "k"), (1, 0), (1, -3), (1, None), (7, 4), ("n",), ()])
def test_dynamic_shapes(shape: tuple) -> None:
    model = sound()
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(info)
    assert code_of(model) == "HW105"


@pytest.mark.parametrize("batch", ["n", None, 1])
def test_the_batch_may_be_symbolic(batch: object) -> None:
    model = sound()
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch, 4))
    model.graph.input[0].CopyFrom(info)
    assert source_of(model).shapes == {"x": (1, 4)}


def test_functions_subgraphs_and_opsets_are_refused() -> None:
    model = sound()
    node = helper.make_node("Relu", ["a"], ["b"])
    opsets = [helper.make_opsetid("", 13)]
    model.functions.append(helper.make_function("f", "g", ["a"], ["b"], [node], opsets))
    assert code_of(model) == "HW202"
    model = sound()
    inner = helper.make_graph([node], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=inner))
    assert code_of(model) == "HW202"
    for version in (1, 999):
        model = sound()
        model.opset_import[0].version = version
        assert code_of(model) == "HW202"


def test_nodes_are_sorted() -> None:
    model = sound()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    assert [n.op_type for n in source_of(model).nodes][-1] == "MatMul"


def test_a_missing_opset_of_a_quantizer_domain_is_tolerated() -> None:
    model = sound()
    for domain in ("onnx.brevitas", "finn.custom_op.general", DOMAIN):
        del model.opset_import[1:]
        for node in model.graph.node:
            node.domain = domain if node.op_type == "Quant" else ""
        assert source_of(model).opset == 13


def test_hostile_names_stay_inside_messages() -> None:
    model = sound()
    model.graph.node[0].input[0] = "a\n\x1b[31m\u202e$(rm)`"
    with pytest.raises(HwgenError) as caught:
        source_of(model)
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_quantize_input_puts_a_quantizer_before_every_reader() -> None:
    net = Net(np.random.default_rng(0))
    y = net.node("MatMul", "x", net.quant(net.const(np.ones((4, 3))), 0.5, 3))
    source = quantize_input(source_of(net.model({"x": (1, 4)}, [y])), "x", bits=8, scale=0.5)
    assert source.nodes[0].op_type == "Quant"
    assert source.inputs == ("x",)
    assert [n.input[0] for n in source.nodes if n.op_type == "MatMul"] == ["x_quantized"]
