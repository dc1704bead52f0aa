"""Lifting, case by case: what graph comes out, and what is refused with which words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto

from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.frontends import lift, run_source, source_of, widths
from hwgen.ir.execute import run_frames
from hwgen.ir.graph import Graph
from hwgen.ops import (
    Add,
    Conv,
    DepthwiseConv,
    Lookup,
    MatMul,
    MaxPool,
    Reshape,
    Threshold,
    TopK,
    Transpose,
)
from tests.frontends.networks import DOMAIN, Net

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")


def net_of() -> Net:
    return Net(np.random.default_rng(7))


def dense(net: Net, x: str, inputs: int, outputs: int) -> str:
    values = net.const(net.rng.integers(-3, 4, (inputs, outputs)) / 2)
    return net.node("MatMul", x, net.quant(values, 0.5, 3))


def kernel(net: Net, outputs: int, *shape: int) -> str:
    return net.quant(net.const(net.rng.integers(-3, 4, (outputs, *shape)) / 2), 0.5, 3)


def lifted(net: Net, output: str, shape: tuple, **kinds: int) -> Graph:
    """The graph, once it has been compared with the source on random frames."""
    source = source_of(net.model({"x": shape}, [output], **kinds))
    graph = lift(source)
    rng, frame = np.random.default_rng(1), source.frame_shape("x")
    if source.dtypes["x"] == "float32":
        frames = (rng.integers(-40, 41, (20, *frame)) / 8).astype(np.float32)
    else:
        info = np.iinfo(source.dtypes["x"])
        frames = rng.integers(info.min, info.max + 1, (20, *frame)).astype(source.dtypes["x"])
    ours, theirs = run_frames(graph, {"x": frames}), run_source(source, {"x": frames})
    assert np.array_equal(ours[output], theirs[output])
    assert ours[output].dtype == theirs[output].dtype
    return graph


def kinds(graph: Graph) -> list[type]:
    return [type(node.op) for node in graph.nodes]


def problems(net: Net, outputs: list[str], shape: tuple) -> list:
    with pytest.raises(HwgenError) as caught:
        lift(source_of(net.model({"x": shape}, outputs)))
    return list(caught.value.problems)


# Structure


def test_everything_between_two_products_is_one_threshold() -> None:
    net = net_of()
    y = dense(net, net.quant("x", 0.25, 4), 6, 5)
    parameters = [net.const(np.full(5, v)) for v in (2.0, 0.5, 0.25, 1.0 - 2.0**-10)]
    y = net.node("BatchNormalization", y, *parameters, epsilon=2.0**-10)
    y = net.quant(net.node("Relu", y), 0.5, 3, signed=False)
    graph = lifted(net, dense(net, y, 5, 3), (1, 6))
    assert kinds(graph) == [MatMul, Threshold, MatMul]
    assert [name.split("_")[0] for name in graph.nodes[1].origin] == [
        "BatchNormalization", "Relu", "Quant",
    ]  # fmt: skip
    assert graph.type(graph.nodes[1].output).range in IntRange(0, 7)


def test_two_quantizers_in_a_row_are_one_threshold() -> None:
    net = net_of()
    y = net.quant(dense(net, net.quant("x", 0.25, 4), 6, 5), 0.5, 6)
    y = net.quant(net.node("Relu", y), 1.0, 3, rounding="FLOOR")
    assert kinds(lifted(net, dense(net, y, 5, 3), (1, 6))) == [MatMul, Threshold, MatMul]


def test_relu_between_quantizer_and_product_becomes_part_of_the_threshold() -> None:
    net = net_of()
    y = net.node("Relu", net.quant(dense(net, net.quant("x", 0.25, 4), 6, 5), 0.5, 4))
    graph = lifted(net, dense(net, y, 5, 3), (1, 6))
    assert kinds(graph) == [MatMul, Threshold, MatMul]
    assert graph.type(graph.nodes[1].output).range == IntRange(0, 7)


def test_relu_on_the_quantized_input_is_left_to_the_host() -> None:
    net = net_of()
    graph = lifted(net, dense(net, net.node("Relu", net.quant("x", 0.25, 4)), 6, 3), (1, 6))
    assert kinds(graph) == [MatMul]
    assert graph.type(graph.inputs[0].value).range == IntRange(0, 7)


def test_a_requantizer_that_changes_nothing_leaves_no_node() -> None:
    net = net_of()
    y = net.quant(dense(net, net.quant("x", 0.25, 4), 6, 5), 0.5, 4)
    y = net.quant(y, 0.5, 6)
    assert kinds(lifted(net, dense(net, y, 5, 3), (1, 6))) == [MatMul, Threshold, MatMul]


def test_bipolar_activations_are_one_unsigned_bit() -> None:
    net = net_of()
    y = dense(net, net.quant("x", 0.25, 4), 6, 5)
    y = net.node("BipolarQuant", y, net.const(0.5), domain=DOMAIN)
    graph = lifted(net, dense(net, y, 5, 3), (1, 6))
    assert graph.type(graph.nodes[1].output).range == IntRange(0, 1)


def test_zero_padding_of_bipolar_activations_takes_signed_codes() -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 0.25, 4), kernel(net, 4, 2, 3, 3))
    y = net.node("BipolarQuant", y, net.const(0.5), domain=DOMAIN)
    y = net.node("Conv", y, kernel(net, 3, 4, 3, 3), pads=[1, 1, 1, 1])
    graph = lifted(net, y, (1, 2, 6, 6))
    assert kinds(graph) == [Conv, Threshold, Conv]
    assert graph.type(graph.nodes[1].output).range == IntRange(-1, 1)
    assert graph.nodes[2].op.pad_value == 0  # type: ignore[attr-defined]


def test_zero_padding_with_a_zero_point_pads_its_code() -> None:
    net = net_of()
    y = net.quant("x", 0.25, 4, zero=3, signed=False)
    y = net.node("Conv", y, kernel(net, 3, 2, 3, 3), pads=[0, 1, 2, 0])
    graph = lifted(net, y, (1, 2, 6, 6))
    op = graph.nodes[0].op
    assert isinstance(op, Conv)
    assert (op.pad_value, op.padding) == (3, (0, 1, 2, 0))


def test_input_coded_bipolar_is_recoded_on_the_host_where_padded() -> None:
    net = net_of()
    y = net.node("BipolarQuant", "x", net.const(0.5), domain=DOMAIN)
    y = net.node("Conv", y, kernel(net, 3, 2, 3, 3), pads=[1, 1, 1, 1])
    graph = lifted(net, y, (1, 2, 6, 6))
    assert kinds(graph) == [Conv]
    assert graph.type(graph.inputs[0].value).range == IntRange(-1, 1)


def test_flattening_moves_weights_not_data() -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 0.25, 4), kernel(net, 3, 2, 2, 2))
    y = net.node("Flatten", net.quant(y, 0.5, 4))
    graph = lifted(net, dense(net, y, 27, 4), (1, 2, 4, 4))
    assert kinds(graph) == [Conv, Threshold, Reshape, MatMul]


@pytest.mark.parametrize("before", [True, False])
def test_channels_last_input_needs_no_transpose(before: bool) -> None:
    net = net_of()
    y = net.quant("x", 0.25, 4) if before else "x"
    y = net.node("Transpose", y, perm=[0, 3, 1, 2])
    y = y if before else net.quant(y, 0.25, 4)
    graph = lifted(net, net.node("Conv", y, kernel(net, 3, 2, 2, 2)), (1, 5, 4, 2))
    assert kinds(graph) == [Conv]
    assert graph.type(graph.inputs[0].value).shape == (5, 4, 2)


def test_a_vector_becomes_an_image_through_one_transpose() -> None:
    net = net_of()
    y = net.quant(dense(net, net.quant("x", 0.25, 4), 6, 18), 0.5, 4)
    y = net.node("Reshape", y, net.const([1, 2, 3, 3], np.int64))
    y = net.node("Conv", y, kernel(net, 3, 2, 2, 2))
    assert kinds(lifted(net, y, (1, 6))) == [MatMul, Threshold, Reshape, Transpose, Conv]


def test_matmul_per_pixel() -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 0.25, 4), kernel(net, 3, 2, 2, 2))
    y = net.node("Transpose", net.quant(y, 0.5, 4), perm=[0, 2, 3, 1])
    graph = lifted(net, dense(net, y, 3, 4), (1, 2, 4, 4))
    assert kinds(graph) == [Conv, Threshold, MatMul]
    assert graph.type(graph.nodes[2].output).shape == (3, 3, 4)


def test_two_readers_share_one_input() -> None:
    net = net_of()
    x = net.quant("x", 0.25, 4)
    a = net.node("Conv", x, kernel(net, 3, 2, 2, 2))
    b = dense(net, net.node("Flatten", x), 32, 4)
    source = source_of(net.model({"x": (1, 2, 4, 4)}, [a, b]))
    graph = lift(source)
    assert len(graph.inputs) == 1
    frames = {"x": np.random.default_rng(0).normal(size=(5, 2, 4, 4)).astype(np.float32)}
    ours, theirs = run_frames(graph, frames), run_source(source, frames)
    assert all(np.array_equal(ours[name], theirs[name]) for name in (a, b))


def test_a_constant_that_varies_inside_a_channel_flattens_the_edge() -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 0.25, 4), kernel(net, 3, 2, 2, 2))
    y = net.node("Add", y, net.const(net.rng.integers(-3, 4, (1, 3, 3, 3)) / 4))
    y = net.node("Flatten", net.quant(y, 0.5, 4))
    graph = lifted(net, dense(net, y, 27, 4), (1, 2, 4, 4))
    assert kinds(graph) == [Conv, Reshape, Threshold, MatMul]
    assert len(graph.nodes[2].op.thresholds) == 27  # type: ignore[attr-defined]


@pytest.mark.parametrize("quantized_first", [True, False])
def test_pooling_falling_channels_negates_the_layer_before(quantized_first: bool) -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 0.25, 4), kernel(net, 3, 2, 2, 2))
    y = net.node("Mul", y, net.const(np.array([1, -2, -0.5]).reshape(1, 3, 1, 1)))
    y = net.quant(y, 0.5, 4) if quantized_first else y
    y = net.node("MaxPool", y, kernel_shape=[2, 2])
    graph = lifted(net, y if quantized_first else net.quant(y, 0.5, 4), (1, 2, 4, 4))
    wanted = [Conv, Threshold, MaxPool] if quantized_first else [Conv, MaxPool, Threshold]
    assert kinds(graph) == wanted


def shuffled(net: Net, x: str, channels: int, size: int) -> str:
    """Channels 0 1 2 3 as 0 2 1 3: in pairs, transposed."""
    pairs = net.const([1, 2, channels // 2, size, size], np.int64)
    x = net.node("Transpose", net.node("Reshape", x, pairs), perm=[0, 2, 1, 3, 4])
    return net.node("Reshape", x, net.const([1, channels, size, size], np.int64))


def test_shuffled_channels_cost_nothing() -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 0.25, 4), kernel(net, 6, 2, 2, 2))
    y = net.node("MaxPool", shuffled(net, net.quant(y, 0.5, 4), 6, 4), kernel_shape=[2, 2])
    y = net.node("Mul", y, net.const(2.0 ** net.rng.integers(-2, 3, (1, 6, 1, 1))))
    y = net.node("Conv", y, kernel(net, 3, 6, 2, 2))
    assert kinds(lifted(net, y, (1, 2, 5, 5))) == [Conv, Threshold, MaxPool, Conv]


def test_channel_constants_follow_a_flattened_edge() -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 0.25, 4), kernel(net, 3, 2, 2, 2))
    y = net.node("Mul", y, net.const(np.array([1, -2, 0.5]).reshape(1, 3, 1, 1)))
    y = net.node("Add", y, net.const(net.rng.integers(-3, 4, (1, 3, 3, 3)) / 4))
    graph = lifted(net, net.quant(y, 0.5, 4), (1, 2, 4, 4))
    assert kinds(graph) == [Conv, Reshape, Threshold]


def test_input_normalization_is_left_to_the_host() -> None:
    """Per channel, and even per pixel, in the layout that the convolution wants."""
    for shape in ((1, 2, 1, 1), (1, 2, 4, 4)):
        net = net_of()
        y = net.node("Sub", "x", net.const(net.rng.integers(-8, 9, shape) / 8))
        y = net.node("Mul", y, net.const(2.0 ** net.rng.integers(-2, 3, (1, 2, 1, 1))))
        y = net.node("Conv", net.quant(y, 0.25, 5), kernel(net, 3, 2, 2, 2))
        assert kinds(lifted(net, y, (1, 2, 4, 4))) == [Conv]


@pytest.mark.parametrize("zero", [1, 0.5, -2])
def test_one_signed_bit_with_a_zero_point(zero: float) -> None:
    net = net_of()
    y = net.quant(dense(net, net.quant("x", 0.25, 4), 6, 5), 0.5, 1, zero=zero)
    assert kinds(lifted(net, dense(net, y, 5, 3), (1, 6))) == [MatMul, Threshold, MatMul]


@pytest.mark.parametrize("op", ["Add", "Sub", "RSub", "Mul", "Div", "Neg", "BatchNormalization"])
def test_affine_functions_of_codes_need_no_quantizer(op: str) -> None:
    """Of one channel's own constant even: only a scale must be common to all inputs."""
    net = net_of()
    x = net.quant("x", 0.25, 4)
    each = net.const(net.rng.integers(-4, 5, (1, 6)) / 8)
    if op in ("Add", "Sub"):
        x = net.node(op, x, each)
    elif op == "RSub":
        x = net.node("Sub", each, x)
    elif op == "Neg":
        x = net.node("Neg", x)
    elif op == "BatchNormalization":
        parameters = [net.const(np.full(6, v)) for v in (-2.0, 0.5, 0.25, 1.0 - 2.0**-10)]
        x = net.node(op, x, *parameters, epsilon=2.0**-10)
    else:
        x = net.node(op, x, net.const(-0.5))
    assert kinds(lifted(net, dense(net, x, 6, 3), (1, 6))) == [MatMul]


def test_integer_inputs_are_edges_themselves() -> None:
    for kind, range_ in ((TensorProto.UINT8, IntRange(0, 255)),
                         (TensorProto.INT8, IntRange(-128, 127))):  # fmt: skip
        net = net_of()
        x = net.node("Cast", "x", to=TensorProto.FLOAT)
        graph = lifted(net, dense(net, net.node("Mul", x, net.const(0.5)), 6, 3), (1, 6), kind=kind)
        assert kinds(graph) == [MatMul]
        assert graph.type(graph.inputs[0].value).range == range_


def test_scales_by_input_channel_fold_into_weights_where_integers_do() -> None:
    net = net_of()
    x = net.quant("x", np.array([[0.25, 0.5, 1.0, 0.25, 2.0, 0.25]]), 4)
    graph = lifted(net, dense(net, x, 6, 3), (1, 6))
    assert kinds(graph) == [MatMul]
    net = net_of()
    x = net.quant("x", np.array([[0.25, 0.3, 1.0, 0.25, 2.0, 0.25]]), 4)
    (problem,) = problems(net, [dense(net, x, 6, 3)], (1, 6))
    assert problem.code == "HW202"


def test_weights_without_a_quantizer_are_read_where_they_are_on_a_grid() -> None:
    net = net_of()
    x = net.quant("x", 0.25, 4)
    y = net.node(
        "MatMul", x, net.const(net.rng.choice([-0.3, 0.0, 0.3], (6, 5)).astype(np.float32))
    )
    graph = lift(source_of(net.model({"x": (1, 6)}, [y])))
    assert widths(graph) == [(graph.nodes[0], 2, 4)]


@pytest.mark.parametrize(("before", "quantizer"), [("plain", 3), ("bipolar", 1)])
def test_argmax_reads_integers_whatever_codes_the_layer_before_has(
    before: str, quantizer: int
) -> None:
    net = net_of()
    y = net.quant(dense(net, net.quant("x", 0.25, 4), 6, 5), 0.5, quantizer)
    y = net.node("Softmax", dense(net, y, 5, 4))
    y = net.node("ArgMax", y, axis=1)
    graph = lifted(net, y, (1, 6), out_kind=TensorProto.INT64)
    assert kinds(graph) == [MatMul, Threshold, MatMul, TopK]


def test_argmax_after_relu_keeps_its_ties() -> None:
    net = net_of()
    y = net.node("Relu", dense(net, net.quant("x", 0.25, 4), 6, 5))
    y = net.node("ArgMax", y, axis=1, keepdims=0)
    graph = lifted(net, y, (1, 6), out_kind=TensorProto.INT64)
    assert kinds(graph) == [MatMul, Threshold, TopK]


def test_widths() -> None:
    net = net_of()
    x = net.quant("x", 0.25, 4)
    w = net.node(
        "BipolarQuant", net.const(net.rng.normal(size=(6, 5))), net.const(0.5), domain=DOMAIN
    )
    y = net.quant(net.node("MatMul", x, w), 0.5, 2, signed=False)
    graph = lifted(net, dense(net, y, 5, 3), (1, 6))
    assert [bits for _, *bits in widths(graph)] == [[1, 4], [3, 2]]


# Refusals


def one(build: Callable[[Net], str], shape: tuple = (1, 6)) -> tuple[str, str]:
    net = net_of()
    (problem,) = problems(net, [build(net)], shape)
    return problem.code, problem.why


def test_unquantized_inputs_weights_and_activations() -> None:
    code, why = one(lambda net: dense(net, "x", 6, 3))
    assert (code, "real numbers" in why) == ("HW203", True)
    code, why = one(
        lambda n: n.node("MatMul", n.quant("x", 1, 4), n.const(n.rng.normal(size=(6, 3))))
    )
    assert (code, "integer grid" in why) == ("HW203", True)
    code, why = one(lambda n: dense(n, n.node("Sigmoid", dense(n, n.quant("x", 1, 4), 6, 3)), 3, 2))
    assert (code, "no quantizer" in why) == ("HW203", True)


def test_functions_that_turn() -> None:
    """A square over a clipped range neither rises nor falls: a table stands for it."""

    def build(net: Net) -> str:
        y = net.quant(dense(net, net.quant("x", 0.25, 4), 6, 3), 0.25, 5)
        lower = net.node("Clip", y, net.const(-1.0), net.const(1.0))
        return net.quant(net.node("Mul", lower, lower), 0.0625, 6)

    net = net_of()
    assert Lookup in kinds(lifted(net, build(net), (1, 6)))


def test_residuals_of_unequal_scales() -> None:
    net = net_of()
    x = net.quant("x", 0.25, 4)
    y = dense(net, x, 6, 6)
    other = net.quant(dense(net, x, 6, 6), 0.375, 5)
    graph = lifted(net, net.quant(net.node("Add", y, other), 0.5, 4), (1, 6))
    (add,) = (node.op for node in graph.nodes if isinstance(node.op, Add))
    assert add.multipliers == (1, 3)  # 0.125 and 0.375


def test_grouped_convolution() -> None:
    net = net_of()
    y = net.node("Conv", net.quant("x", 1, 4), kernel(net, 2, 1, 2, 2), group=2)
    assert kinds(lifted(net, y, (1, 2, 4, 4))) == [DepthwiseConv]


@pytest.mark.parametrize("bias", [[0.1, 0.2, 0.3], [-7.25, 0.5, 3.75], [0.25, 0.25, -1.75]])
def test_argmax_with_a_bias_per_channel(bias: list[float]) -> None:
    net = net_of()
    y = net.node("Add", dense(net, net.quant("x", 1, 4), 6, 3), net.const(bias))
    graph = lifted(net, net.node("ArgMax", y, axis=1), (1, 6), out_kind=TensorProto.INT64)
    assert kinds(graph) == [MatMul, Add, TopK]


def test_used_values_of_topk() -> None:
    net = net_of()
    net.node("TopK", dense(net, net.quant("x", 1, 4), 6, 3), net.const([1], np.int64), outputs=2)
    (problem,) = problems(net, list(net.nodes[-1].output), (1, 6))
    assert "values" in problem.why


def test_softmax_ends_a_model() -> None:
    for op in ("Quant", "MatMul", "MaxPool", "ArgMax"):

        def build(net: Net, op: str = op) -> str:
            y = net.node("Softmax", dense(net, net.quant("x", 0.25, 4), 6, 4))
            y = net.node("Mul", y, net.const(2.0))
            if op == "Quant":
                return net.quant(y, 0.25, 4)
            if op == "MatMul":
                return dense(net, y, 4, 3)
            if op == "ArgMax":
                return net.node("ArgMax", y, axis=1)
            y = net.node("Reshape", y, net.const([1, 1, 4], np.int64))
            return net.node("MaxPool", y, kernel_shape=[2])

        code, why = one(build)
        assert (code, "softmax" in why) == ("HW202", True), op


def test_integers_that_wrap_are_refused() -> None:
    """200 plus a uint8 wraps in the source: no chain of real numbers does."""
    net = net_of()
    y = net.node("Add", "x", net.const(np.full(6, 200), np.uint8))
    y = dense(net, net.node("Cast", y, to=TensorProto.FLOAT), 6, 3)
    with pytest.raises(HwgenError) as caught:
        lift(source_of(net.model({"x": (1, 6)}, [y], kind=TensorProto.UINT8)))
    assert "overflow uint8" in caught.value.problems[0].why


def test_tables_and_tensors_have_limits() -> None:
    code, why = one(lambda n: n.quant(dense(n, n.quant("x", 2**-12, 16), 6, 300), 2**-13, 24))
    assert (code, "steps" in why) == ("HW202", True)
    code, _ = one(
        lambda n: n.node("Conv", n.quant("x", 1, 4), kernel(n, 2, 2, 2, 2), pads=[1 << 20] * 4),
        (1, 2, 4, 4),
    )
    assert code == "HW106"


def test_shapes_that_do_not_fit() -> None:
    code, why = one(
        lambda n: n.node("Add", dense(n, n.quant("x", 1, 4), 6, 3), n.const(np.ones(4)))
    )
    assert (code, "fit" in why) == ("HW103", True)


def test_nothing_to_build() -> None:
    assert one(lambda net: net.quant("x", 0.5, 4))[0] == "HW206"


def test_bad_bit_widths_and_modes() -> None:
    for bits in (0, 2.5, 40):
        assert one(lambda net, b=bits: dense(net, net.quant("x", 1, b), 6, 3))[0] == "HW202"
    code, why = one(lambda net: dense(net, net.quant("x", 1, 4, rounding="ODD"), 6, 3))
    assert (code, "ODD" in why) == ("HW202", True)


def test_every_unsupported_node_is_reported_at_once() -> None:
    net = net_of()
    y = net.quant(dense(net, net.quant("x", 0.25, 4), 6, 6), 0.5, 4)
    a = net.node("Hardmax", y)
    b = net.node("LSTM", net.node("Det", a))
    c = net.node("Frobnicate", y, domain="some.where")
    d = dense(net, net.node("Exp", y), 6, 2)
    found = problems(net, [b, c, d], (1, 6))
    assert [p.code for p in found] == ["HW201"] * 4 + ["HW203"]
    assert [p.where.split("(")[1][:-1] for p in found] == [
        "Hardmax", "Det", "LSTM", "Frobnicate", "MatMul",
    ]  # fmt: skip
    assert all(p.help for p in found)
    assert "some.where" in found[3].why
