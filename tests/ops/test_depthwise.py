"""Depthwise convolution: a convolution per channel, every folding, timing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Conv, DepthwiseConv
from tests.ops.suite import (
    check_actor,
    check_hardware,
    check_inference,
    check_pace,
    check_timing,
    foldings,
)  # fmt: skip


@st.composite
def depthwise(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kh, kw = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)]))
    padding = draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 2, 1)]))
    channels, multiplier = draw(st.integers(1, 6)), draw(st.sampled_from([1, 1, 2, 3]))
    height = draw(st.integers((kh - 1) * dilation[0] + 1, 6))
    width = draw(st.integers((kw - 1) * dilation[1] + 1, 6))
    x = IntRange.of_bits(draw(st.integers(1, 4)), signed=draw(st.booleans()))
    shape = (kh, kw, channels, multiplier)
    bipolar = draw(st.booleans())
    weight = rng.choice([-1, 1], shape) if bipolar else rng.integers(-4, 4, shape)
    op = DepthwiseConv(weight, stride, padding, dilation, draw(st.sampled_from([0, x.lo])))
    return op, [TensorType((height, width, channels), x)], rng


@given(depthwise())
def test_inference_holds(case):
    op, types, rng = case
    check_inference(op, types, rng)


@given(depthwise())
def test_is_a_convolution_of_each_channel(case):
    op, (type_,), rng = case
    x = rng.integers(type_.range.lo, type_.range.hi + 1, (3, *type_.shape))
    parts = [
        Conv(op.weight[:, :, c : c + 1], op.stride, op.padding, op.dilation, op.pad_value)
        .reference(x[..., c : c + 1])
        for c in range(type_.channels)
    ]  # fmt: skip
    np.testing.assert_array_equal(op.reference(x), np.concatenate(parts, axis=-1))


def test_range_is_reached():
    weight = np.array([[[[2, -3]], [[-1, 0]]]])  # (1, 2, 1, 2)
    op, x = DepthwiseConv(weight), TensorType((1, 2, 1), IntRange(-1, 4))
    assert op.infer(x).range == IntRange(-12, 9)
    np.testing.assert_array_equal(op.reference(np.array([[[[4], [-1]]]])), [[[[9, -12]]]])


@settings(max_examples=60)
@given(depthwise(), st.data(), st.sampled_from([0.0, 0.3]))
def test_hardware_equals_the_reference(case, data, stall):
    op, types, rng = case
    check_hardware(op, types, data.draw(st.sampled_from(foldings(op, types))), rng, stall=stall)


@settings(max_examples=60)
@given(depthwise(), st.data())
def test_cycles_are_as_stated(case, data):
    op, types, rng = case
    way = data.draw(st.sampled_from(foldings(op, types)))
    check_timing(op, types, way, rng)
    check_pace(op, types, way)


@settings(max_examples=60)
@given(depthwise(), st.data(), st.sampled_from([0.0, 0.5]))
def test_the_model_of_the_stage_promises_nothing_too_soon(case, data, stall):
    op, types, rng = case
    check_actor(op, types, data.draw(st.sampled_from(foldings(op, types))), rng, stall=stall)
