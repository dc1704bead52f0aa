"""Dot products against NumPy: all widths and kinds of weights, all signs, extremes."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Shape, Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_graph import linear_range
from hwgen.hw.constant_product import constant_dot_products
from hwgen.hw.dot_product import (
    dot_products,
    encode,
    is_bipolar,
    sum_range,
    tree_registers,
    weight_bits,
)

KINDS = ["bipolar", "ternary", "unsigned", "signed"]


def values_of(kind, bits):
    """All values of a weight of a kind."""
    return {
        "bipolar": np.array([-1, 1]), "ternary": np.arange(-1, 2),
        "unsigned": np.arange(1 << bits),
        "signed": np.arange(-(1 << (bits - 1)), 1 << (bits - 1)),
    }[kind]  # fmt: skip


def lanes_of(x, shape):
    """A signal that holds lanes, and the lanes."""
    fields = [x[k : k + shape.width] for k in range(0, len(x), shape.width)]
    return [field.as_signed() if shape.signed else field for field in fields]


def packed(values, width):
    """Integers of ``width`` bits as one, the first lowest."""
    return sum((int(v) & ((1 << width) - 1)) << (width * k) for k, v in enumerate(values))


def outputs(m, inputs, results, stimuli, registers=0):
    """The results for each row of stimuli, one per clock, ``registers`` clocks later."""
    m.d.sync += Signal().eq(0)  # the clock, where nothing else is registered
    seen = []

    async def run(ctx):
        for cycle in range(len(stimuli) + registers):
            for signal, value in zip(inputs, stimuli[min(cycle, len(stimuli) - 1)], strict=True):
                ctx.set(signal, value)
            await ctx.delay(1e-9)
            seen.append([ctx.get(result) for result in results])
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    return np.array(seen[registers:])


def maker(m):
    def register(value):
        later = Signal(value.shape())
        m.d.sync += later.eq(value)
        return later

    return register


def run_time(shape, weights, values, x, *, staged=False):
    """``x (V, S)`` times ``weights (V, P, S)``, out of ``values``, by a circuit."""
    m, (_, rows, simd), bits = Module(), weights.shape, weight_bits(values)
    lanes, codes = Signal(simd * shape.width), Signal(rows * simd * bits)
    fields = [codes[k : k + bits] for k in range(0, len(codes), bits)]
    split = [fields[p * simd : (p + 1) * simd] for p in range(rows)]
    register = maker(m) if staged else None
    sums = dot_products(m, lanes_of(lanes, shape), split, values, register)
    width = sum_range(shape, values, simd).width
    assert all(len(total) == width for total in sums)
    coded = (weights > 0).astype(int) if is_bipolar(values) else weights
    stimuli = [
        (packed(a, shape.width), packed(b.ravel(), bits)) for a, b in zip(x, coded, strict=True)
    ]
    return outputs(m, (lanes, codes), sums, stimuli, tree_registers(simd) if staged else 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned_x", "signed_x"])
@pytest.mark.parametrize("bits", range(1, 4))
def test_one_product_exhaustively(kind, signed, bits):
    for x_bits in range(1, 4):
        values, shape = values_of(kind, bits), Shape(x_bits, signed)
        x_range = IntRange.of_bits(x_bits, signed=signed)
        pairs = np.array([(a, w) for a in range(x_range.lo, x_range.hi + 1) for w in values])
        got = run_time(shape, pairs[:, 1].reshape(-1, 1, 1), values, pairs[:, :1])
        np.testing.assert_array_equal(got[:, 0], pairs[:, 0] * pairs[:, 1])


@pytest.mark.parametrize("w_bits", range(1, 9))
@pytest.mark.parametrize("x_bits", range(1, 9))
def test_every_pair_of_widths(w_bits, x_bits):
    rng = np.random.default_rng(8 * w_bits + x_bits)
    for kind in KINDS if w_bits == 1 else KINDS[2:]:
        for signed in (False, True):
            values, simd = values_of(kind, w_bits), int(rng.integers(2, 8))
            x_range = IntRange.of_bits(x_bits, signed=signed)
            x = rng.integers(x_range.lo, x_range.hi + 1, (12, simd))
            weights = rng.choice(values, (12, 2, simd))
            for k in range(4):
                x[k] = (x_range.lo, x_range.hi)[k & 1]
                weights[k] = values[-(k >> 1)]
            got = run_time(Shape(x_bits, signed), weights, values, x)
            np.testing.assert_array_equal(got, np.einsum("vs,vps->vp", x, weights))


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(KINDS), st.integers(1, 5), st.integers(1, 5), st.booleans(),
    st.integers(1, 40), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_registers_on_every_path(kind, w_bits, x_bits, signed, simd, seed):
    rng = np.random.default_rng(seed)
    values, x_range = values_of(kind, w_bits), IntRange.of_bits(x_bits, signed=signed)
    x = rng.integers(x_range.lo, x_range.hi + 1, (6, simd))
    weights = rng.choice(values, (6, 2, simd))
    got = run_time(Shape(x_bits, signed), weights, values, x, staged=True)
    np.testing.assert_array_equal(got, np.einsum("vs,vps->vp", x, weights))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 14), st.integers(1, 10), st.integers(0, 8), st.integers(1, 5), st.booleans(),
    st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_constant_matrices(rows, columns, w_bits, x_bits, signed, staged, seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-(1 << w_bits) // 2, (1 << w_bits) // 2 + 1, (rows, columns))
    weight *= rng.random(weight.shape) < rng.choice([0.3, 1.0])
    x_range = IntRange.of_bits(x_bits, signed=signed)
    x = rng.integers(x_range.lo, x_range.hi + 1, (6, rows))
    x[0] = np.where(weight[:, 0] > 0, x_range.hi, x_range.lo)
    x[1] = np.where(weight[:, 0] < 0, x_range.hi, x_range.lo)
    m, lanes = Module(), Signal(rows * x_bits)
    register = maker(m) if staged else None
    registers = tree_registers(rows) if staged else 0
    shaped = lanes_of(lanes, Shape(x_bits, signed))
    sums = constant_dot_products(m, shaped, weight, register, registers)
    widths = [linear_range(column, x_range).width for column in weight.T]
    assert [len(total) for total in sums] == widths
    got = outputs(m, (lanes,), sums, [(packed(v, x_bits),) for v in x], registers)
    np.testing.assert_array_equal(got, x @ weight)


def test_a_matrix_of_zeros_has_no_adders():
    m, lanes = Module(), Signal(12)
    sums = constant_dot_products(m, lanes_of(lanes, Shape(4, False)), np.zeros((3, 2), int))
    np.testing.assert_array_equal(outputs(m, (lanes,), sums, [(0xFFF,)]), [[0, 0]])


def test_codes_are_twos_complement_or_the_sign():
    np.testing.assert_array_equal(encode(np.array([-2, -1, 0, 1])), [2, 3, 0, 1])
    np.testing.assert_array_equal(encode(np.array([-1, 1])), [0, 1])
    assert len(Cat(Signal(weight_bits(np.array([-8, 7]))))) == 4
