"""Tensors joined, parted, framed and repeated, whatever their grids are."""

from __future__ import annotations

import numpy as np
import pytest

from hwgen.ops import Concat, Conv, Pad, Slice, Transpose, Upsample
from tests.frontends.fixed import Fixed, equal, refusal

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
IMAGE = (1, 2, 4, 4)


def conv(net: Fixed, x: str, inputs: int, outputs: int = 3, size: int = 1, **attrs: object) -> str:
    return net.node("Conv", x, net.stored((outputs, inputs, size, size), 0.5), **attrs)


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize(("scale", "zero"), [(0.125, 0), (0.5, 0), (0.125, 9), (0.25, -4)])
def test_concat_of_unequal_grids_before_a_padded_convolution(
    axis: int, scale: float, zero: int
) -> None:
    net = Fixed()
    y = net.node("Concat", net.pair("x", 0.125, 1), net.pair("y", scale, zero), axis=axis)
    y = conv(net, y, 4 if axis == 1 else 2, size=3, pads=[1, 1, 1, 1])
    equal(net, net.pair(y, 2.0), x=IMAGE, y=IMAGE)


def test_a_concat_of_channels_costs_no_rescaling() -> None:
    net = Fixed()
    y = net.node("Concat", net.pair("x", 0.125), net.pair("y", 0.5), axis=1)
    graph = equal(net, conv(net, y, 4), x=IMAGE, y=IMAGE)
    assert [type(node.op) for node in graph.nodes] == [Concat, Conv]


def test_a_product_of_joined_tensors_of_unequal_zero_points() -> None:
    net = Fixed()
    y = net.node("Concat", net.pair("x", 0.125, 8), net.pair("y", 0.25, 0), axis=1)
    y = net.node("Mul", y, net.pair("z", 0.25, 7))
    equal(net, net.pair(y, 0.5), x=(1, 3), y=(1, 2), z=(1, 5))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_split_of_a_model_input(axis: int) -> None:
    net = Fixed()
    net.node("Split", net.pair("x", 0.125, 3), net.const([1, 3], np.int64), axis=axis, outputs=2)
    shapes = [[1, 4, 4, 4], [1, 4, 4, 4]]
    shapes[0][axis], shapes[1][axis] = 1, 3
    outputs = [conv(net, part, shape[1])
               for part, shape in zip(list(net.nodes[-1].output), shapes, strict=True)]  # fmt: skip
    graph = equal(net, outputs, x=(1, 4, 4, 4))
    assert [type(node.op) for node in graph.nodes].count(Slice) == 2


@pytest.mark.parametrize(
    ("start", "end", "axis", "step"),
    [(0, 2, 1, 1), (1, 4, 2, 2), (-3, -1, 3, 1), (0, 99, 3, 2), (3, 4, 1, 1)],
)
def test_slice_of_a_model_input_keeps_its_places(
    start: int, end: int, axis: int, step: int
) -> None:
    net = Fixed()
    given = [net.const([v], np.int64) for v in (start, end, axis, step)]
    y = net.node("Slice", net.pair("x", 0.125), *given)
    equal(net, net.node("Relu", y), x=(1, 4, 4, 4))


@pytest.mark.parametrize("value", [None, 1.0])
@pytest.mark.parametrize("channels", [0, 1])
def test_pad(value: float | None, channels: int) -> None:
    net = Fixed()
    pads = net.const([0, channels, 1, 0, 0, 0, 0, 2], np.int64)
    more = [] if value is None else [net.const(value)]
    y = net.node("Pad", net.pair("x", 0.125, 5), pads, *more)
    graph = equal(net, net.node("MaxPool", y, kernel_shape=[2, 2]), x=IMAGE)
    assert Pad in {type(node.op) for node in graph.nodes}


@pytest.mark.parametrize(
    ("transform", "nearest"),
    [("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"),
     ("half_pixel", "round_prefer_ceil"), ("pytorch_half_pixel", "round_prefer_floor")],
)  # fmt: skip
@pytest.mark.parametrize("factors", [(2, 2), (1, 3), (0.5, 0.5)])
def test_resize(transform: str, nearest: str, factors: tuple[float, float]) -> None:
    net = Fixed()
    y = net.node("Resize", net.pair("x", 0.125, 1), "", net.const([1, 1, *factors]),
                 mode="nearest", coordinate_transformation_mode=transform,
                 nearest_mode=nearest)  # fmt: skip
    equal(net, conv(net, y, 2), x=IMAGE)


def test_interpolation_is_refused() -> None:
    net = Fixed()
    y = net.node("Resize", net.pair("x", 0.125), "", net.const([1, 1, 2, 2]), mode="linear")
    (problem,) = refusal(net, y, x=IMAGE)
    assert problem.code == "HW202" and "nearest" in problem.help


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_blocks_of_pixels_to_channels_and_back(mode: str) -> None:
    net = Fixed()
    y = net.node("SpaceToDepth", net.pair("x", 0.125, 1), blocksize=2)
    y = net.pair(conv(net, y, 8, 8), 1.0)
    y = net.node("DepthToSpace", y, blocksize=2, mode=mode)
    equal(net, conv(net, y, 2, size=3), x=IMAGE)


def test_a_channel_shuffle_between_grouped_layers() -> None:
    net = Fixed()
    y = net.node("Conv", net.pair("x", 0.125), net.stored((6, 2, 1, 1), 0.5), group=2)
    y = net.node("Reshape", net.pair(y, 0.5), net.const([1, 2, 3, 4, 4], np.int64))
    y = net.node("Transpose", y, perm=[0, 2, 1, 3, 4])
    y = net.node("Reshape", y, net.const([1, 6, 4, 4], np.int64))
    y = net.node("Conv", y, net.stored((4, 3, 1, 1), 0.5), group=2)
    equal(net, y, x=(1, 4, 4, 4))


def test_shuffled_channels_meet_their_sources() -> None:
    """The sum of a tensor and itself with its channels in another order."""
    net = Fixed()
    x = net.pair(conv(net, net.pair("x", 0.125), 2, 4), 0.5)
    y = net.node("Reshape", x, net.const([1, 2, 2, 4, 4], np.int64))
    y = net.node("Transpose", y, perm=[0, 2, 1, 3, 4])
    y = net.node("Reshape", y, net.const([1, 4, 4, 4], np.int64))
    equal(net, net.pair(net.node("Add", x, y), 1.0), x=IMAGE)


def test_a_gate_over_an_upsampled_image() -> None:
    net = Fixed()
    y = net.node("Resize", net.pair("x", 0.125), "", net.const([1, 1, 2, 2]), mode="nearest",
                 coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    y = net.node("Mul", y, net.pair("y", 0.25, 3))
    graph = equal(net, net.pair(y, 0.5), x=IMAGE, y=(1, 2, 1, 1))
    assert [type(node.op) for node in graph.nodes].count(Upsample) == 2


def test_channels_last_all_the_way() -> None:
    net = Fixed()
    y = net.node("Transpose", net.pair("x", 0.125, 4), perm=[0, 3, 1, 2])
    y = net.pair(conv(net, y, 2, 4, size=3, pads=[1, 1, 1, 1]), 1.0)
    graph = equal(net, net.node("Transpose", y, perm=[0, 2, 3, 1]), x=(1, 4, 4, 2))
    assert Transpose not in {type(node.op) for node in graph.nodes}
