"""Packed multiplications: every layout over all operands, every pair of widths, whole arrays."""

from itertools import pairwise, product

import numpy as np
import pytest
from amaranth.hdl import Module, Shape, Signal
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import sum_range
from hwgen.hw.dsp_layout import (
    LONGEST_CHAIN,
    PORTS,
    RESULT_BITS,
    Packing,
    Weights,
    layout,
    most_lanes,
)
from hwgen.hw.mac_array import MacArray
from hwgen.hw.packed_products import PackedProducts, packed_registers
from hwgen.lowering import divisors
from hwgen.ops.matmul import accumulator_range
from tests.hw.harness import check
from tests.hw.test_dot_product import lanes_of, maker, outputs, packed

KINDS = {"signed": 1, "unsigned": 0}


def values_of(kind, bits):
    """All values of a weight of a kind."""
    if kind == "ternary":
        return np.arange(-1, 2)
    return np.arange(1 << bits) - (1 << (bits - 1) if kind == "signed" else 0)


def run_time(port, shape, weights, values, x, *, staged=False):
    """``x (V, S)`` times ``weights (V, P, S)``, out of ``values``, by a circuit."""
    m, (_, rows, simd) = Module(), weights.shape
    unit = PackedProducts(Packing(port), values, shape, rows, simd)
    bits = unit.weights.bits
    lanes, codes = Signal(simd * shape.width), Signal(rows * simd * bits)
    fields = [codes[k : k + bits] for k in range(0, len(codes), bits)]
    split = [fields[p * simd : (p + 1) * simd] for p in range(rows)]
    sums = unit.build(m, lanes_of(lanes, shape), split, maker(m) if staged else None)
    width = sum_range(shape, values, simd).width
    assert all(len(total) == width for total in sums)
    coded = weights + unit.offsets()[:, None]
    stimuli = [
        (packed(a, shape.width), packed(b.ravel(), bits)) for a, b in zip(x, coded, strict=True)
    ]
    return outputs(m, (lanes, codes), sums, stimuli, packed_registers(simd) if staged else 0)


@pytest.mark.parametrize("w_bits", range(2, 9))
@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_every_pair_of_widths(port, w_bits):
    rng = np.random.default_rng(w_bits)
    for x_bits in range(2, 9):
        for kind in [*KINDS, *(["ternary"] if w_bits == 2 else [])]:
            for signed in (False, True):
                values, shape = values_of(kind, w_bits), Shape(x_bits, signed)
                simd, weights_of = int(rng.integers(1, 8)), Weights.of(values)
                rows = most_lanes(port, weights_of, shape) + int(rng.integers(0, 2))
                x_range = IntRange.of_bits(x_bits, signed=signed)
                x = rng.integers(x_range.lo, x_range.hi + 1, (8, simd))
                weights = rng.choice(values, (8, rows, simd))
                for k in range(4):
                    x[k] = (x_range.lo, x_range.hi)[k & 1]
                    weights[k] = values[-(k >> 1)]
                got = run_time(port, shape, weights, values, x)
                np.testing.assert_array_equal(got, np.einsum("vs,vps->vp", x, weights))


def all_layouts():
    """Every layout that may be used: port, weights, shape of x, the layout."""
    for port in PORTS.values():
        for kind, w_bits, x_bits, signed in product(KINDS, range(2, 9), range(2, 9), (False, True)):
            weights, x = Weights.of(values_of(kind, w_bits)), Shape(x_bits, signed)
            for lanes in range(1, most_lanes(port, weights, x) + 1):
                for chain in range(1, LONGEST_CHAIN + 1):
                    if found := layout(port, weights, x, lanes, chain):
                        yield port, weights, x, found


def test_every_layout_is_exact_over_all_operands():
    """One lane's part of a result depends on its own weight and x alone, so that all pairs of them
    cover all operands: it fits its field, and is known where it meets the field below."""
    count = 0
    for port, weights, x, found in all_layouts():
        count += 1
        case = f"{port.name} {weights} {x} {found}"
        xs = IntRange.of_bits(x.width, signed=x.signed)
        w = np.arange(weights.range.lo, weights.range.hi + 1)[:, None]
        v = np.arange(xs.lo, xs.hi + 1)
        most = least = end = 0
        for field in found.fields:
            top = field is found.fields[-1]
            off, extra = (0, found.top_constant) if top else (weights.off, found.low_constant)
            most += int(w.max() + off) << field.low
            least += int(w.min() + off) << field.low
            assert end <= field.low + field.shared, case  # no third field, nothing unknown
            end, k = field.low + field.width, field.shared
            range_ = IntRange.of_bits(field.width, signed=field.signed)
            parts = (w + off) * v
            if not port.post_adder:
                carried = k + (xs.lo < 0)  # the bit taken over, or what is lent
                sign = -1 if xs.lo < 0 else 1
                assert found.chain == 1 and k <= 1
                assert parts + sign * (carried if end > field.width else 0) in range_, case
                continue
            if found.spilled and not top:  # what is added is at most what it would be in full
                assert parts.min() >= 0 and xs.lo == 0, case
            parts = parts + off * (xs.hi - v)
            assert field.bias % (1 << k) == 0 and extra % (1 << k) == 0, case
            assert ((parts - w * v - off * xs.hi) == 0).all(), case
            lowest = ((w + off) % (1 << k)) * (v % (1 << k))
            assert ((parts - lowest) % (1 << k) == 0).all(), case
            assert field.bias == found.chain * off * xs.hi + extra, case
            assert found.chain * parts.min() + extra >= 0, case
            assert found.chain * parts.max() + extra + (1 << k) <= 1 << field.width, case
            if not top:
                added = found.chain * off * (xs.hi - xs.lo) + extra
                assert added < 1 << (found.cut + found.spilled), case
                assert off % (1 << k) == 0 and field.low + found.cut <= end, case
        for below, above in pairwise(found.fields):
            assert below.low + found.cut <= above.low or not port.post_adder, case
        assert found.bits < RESULT_BITS or not port.post_adder, case
        operand = IntRange(least, most)
        limit = IntRange.of_bits(port.a_bits, signed=port.signed_only or x.signed or least < 0)
        assert limit.lo <= operand.lo and operand.hi <= limit.hi, case
    assert count > 2000


@st.composite
def arrays(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    port = draw(st.sampled_from(sorted(PORTS)))
    rows, columns = draw(st.integers(1, 20)), draw(st.integers(1, 12))
    bits, is_signed = draw(st.integers(2, 8)), draw(st.booleans())
    low = -(1 << (bits - 1)) if is_signed else 0
    weight = rng.integers(low, low + (1 << bits), (rows, columns))
    weight[0, 0] = low or (1 << bits) - 1
    x_range = IntRange.of_bits(draw(st.integers(2, 8)), signed=draw(st.booleans()))
    pe, simd = draw(st.sampled_from(divisors(columns))), draw(st.sampled_from(divisors(rows)))
    x = rng.integers(x_range.lo, x_range.hi + 1, (4, rows))
    x[0], x[1] = x_range.lo, x_range.hi
    array = MacArray(x_range, weight, accumulator_range(weight, x_range), pe=pe, simd=simd,
                     packing=Packing(PORTS[port], draw(st.sampled_from([None, 1, 2]))))  # fmt: skip
    return array, x


@settings(max_examples=25, deadline=None)
@given(arrays(), st.integers(0, 99))
def test_arrays_keep_the_contract(case, seed):
    array, x = case
    y = (x @ array.weight).reshape(-1, array.pe)
    check(array, x.reshape(-1, array.simd), y, frames=len(x), seed=seed)
