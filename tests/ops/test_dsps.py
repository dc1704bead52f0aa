"""Matrix products and convolutions in DSPs keep the contract of their operator."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.lowering import DSPS, Lowering
from hwgen.ops import Conv, MatMul
from tests.ops.strategies import seeds
from tests.ops.suite import check_operator


def ways(op, types, dsp):
    """Every way to build the operator in such DSPs."""
    return [
        (variant, folding)
        for lowering in Lowering.of(op)
        for variant in lowering.in_dsps(dsp)
        if variant.applies(op, *types)
        for folding in variant.foldings(op, *types)
    ]


@st.composite
def layers(draw):
    rng = np.random.default_rng(draw(seeds))
    bits = draw(st.integers(2, 8))
    low = draw(st.sampled_from([0, -(1 << (bits - 1))]))
    x = IntRange.of_bits(draw(st.integers(2, 8)), signed=draw(st.booleans()))
    if draw(st.booleans()):
        op, shape = MatMul(rng.integers(low, low + (1 << bits), (6, 8))), (2, 6)
    else:
        groups = draw(st.sampled_from([1, 2]))
        kernel = rng.integers(low, low + (1 << bits), (2, 2, 2 // groups, 4))
        op, shape = Conv(kernel, padding=(0, 0, 1, 1), groups=groups), (3, 3, 2)
    return op, [TensorType(shape, x)], rng


@settings(max_examples=20)
@given(layers(), st.sampled_from(DSPS), st.data())
def test_every_folding(case, dsp, data):
    op, types, rng = case
    found = ways(op, types, dsp)
    assert found
    check_operator(op, types, data.draw(st.sampled_from(found)), rng)


def test_bipolar_and_one_bit_operands_stay_in_luts():
    weight, x = np.array([[1, -1], [-1, -1]]), TensorType((2,), IntRange(0, 15))
    assert not ways(MatMul(weight), [x], "dsp48e1")
    assert not ways(MatMul(4 * weight), [TensorType((2,), IntRange(0, 1))], "dsp48e1")
    assert ways(MatMul(4 * weight), [x], "dsp48e1")
    assert not ways(MatMul(weight << 30), [x], "dsp48e1")
