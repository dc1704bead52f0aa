"""Convolution: geometry, every folding, timing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import Conv
from tests.ops.suite import (
    check_actor,
    check_hardware,
    check_inference,
    check_pace,
    check_timing,
    foldings,
)  # fmt: skip


@st.composite
def convolutions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kh, kw = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)]))
    padding = tuple(draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 2, 1)])))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    ci, co = draw(st.integers(1, 4)), draw(st.integers(1, 4)) * groups
    height = draw(st.integers((kh - 1) * dilation[0] + 1, 6))
    width = draw(st.integers((kw - 1) * dilation[1] + 1, 6))
    x = IntRange.of_bits(draw(st.integers(1, 4)), signed=draw(st.booleans()))
    bipolar = draw(st.booleans())
    shape = (kh, kw, ci, co)
    weight = rng.choice([-1, 1], shape) if bipolar else rng.integers(-4, 4, shape)
    op = Conv(weight, stride, padding, dilation, draw(st.sampled_from([0, x.lo])), groups)
    return op, [TensorType((height, width, ci * groups), x)], rng


@given(convolutions())
def test_inference_holds(case):
    op, types, rng = case
    check_inference(op, types, rng)


@given(convolutions())
def test_reference_equals_a_naive_loop(case):
    op, (type_,), rng = case
    x = rng.integers(type_.range.lo, type_.range.hi + 1, type_.shape)
    top, left, bottom, right = op.padding
    padded = np.pad(x, ((top, bottom), (left, right), (0, 0)), constant_values=op.pad_value)
    y = op.reference(x[None])[0]
    kh, kw, _, _ = op.weight.shape
    for oy, ox in np.ndindex(y.shape[:2]):
        total = np.zeros(y.shape[2], np.int64)
        for i, j in np.ndindex(kh, kw):
            pixel = padded[
                oy * op.stride[0] + i * op.dilation[0], ox * op.stride[1] + j * op.dilation[1]
            ]
            for g, kernel in enumerate(np.split(op.weight[i, j], op.groups, axis=1)):
                ci, co = kernel.shape
                total[g * co : (g + 1) * co] += pixel[g * ci : (g + 1) * ci] @ kernel
        np.testing.assert_array_equal(y[oy, ox], total)


@settings(max_examples=40)
@given(convolutions(), st.data(), st.sampled_from([0.0, 0.3]))
def test_hardware_equals_the_reference(case, data, stall):
    op, types, rng = case
    way = data.draw(st.sampled_from(foldings(op, types)))
    check_hardware(op, types, way, rng, stall=stall)


@settings(max_examples=40)
@given(convolutions(), st.data())
def test_cycles_are_as_stated(case, data):
    op, types, rng = case
    way = data.draw(st.sampled_from(foldings(op, types)))
    check_timing(op, types, way, rng)
    check_pace(op, types, way)


@settings(max_examples=40)
@given(convolutions(), st.data(), st.sampled_from([0.0, 0.5]))
def test_the_model_of_the_stage_promises_nothing_too_soon(case, data, stall):
    op, types, rng = case
    check_actor(op, types, data.draw(st.sampled_from(foldings(op, types))), rng, stall=stall)
