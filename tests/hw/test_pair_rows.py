"""Rows that select sums of two lanes, against NumPy: all operands, both signs, both polarities."""

import numpy as np
import pytest
from amaranth.hdl import Module, Shape, Signal

from hwgen.core.intrange import IntRange
from hwgen.hw.pair_rows import DEPTH, PairRows, chains, row_heights, row_sites
from tests.hw.test_dot_product import lanes_of, outputs, packed


def weighted_sum(x, codes, shape, planes):
    """``sum x * code`` for ``x, codes (V, S)``; bit j of a code is worth what planes[j] says."""
    m, (_, simd), bits = Module(), codes.shape, len(planes)
    lanes, given = Signal(simd * shape.width), Signal(simd * bits)
    split = [given[k : k + bits] for k in range(0, len(given), bits)]
    width = shape.width + bits + 4
    columns, offset = PairRows(m, lanes_of(lanes, shape)).columns(split, planes, width)
    heights = row_heights(simd, shape.width, planes, width)
    assert tuple(map(len, columns)) == heights
    total = sum((bit << c for c, column in enumerate(columns) for bit in column), offset)
    result = Signal(Shape(width, True))
    m.d.comb += result.eq(total)
    stimuli = [(packed(a, shape.width), packed(b, bits)) for a, b in zip(x, codes, strict=True)]
    return outputs(m, (lanes, given), [result], stimuli)[:, 0]


def expected(x, codes, planes):
    worth = sum(
        ((codes >> j) & 1) * (1 << shift) * (-1 if negative else 1)
        for j, (shift, negative) in enumerate(planes)
    )
    return (x * worth).sum(axis=1)


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned_x", "signed_x"])
@pytest.mark.parametrize("bits", [1, 2])
def test_two_lanes_exhaustively(signed, bits):
    for x_bits in (1, 2, 3):
        for negative in (False, True):
            planes = tuple((j, negative and j == bits - 1) for j in range(bits))
            x_range = IntRange.of_bits(x_bits, signed=signed)
            values = np.arange(x_range.lo, x_range.hi + 1)
            grid = np.stack(np.meshgrid(values, values, *[np.arange(1 << bits)] * 2), -1)
            x, codes = grid.reshape(-1, 4)[:, :2], grid.reshape(-1, 4)[:, 2:]
            got = weighted_sum(x, codes, Shape(x_bits, signed), planes)
            np.testing.assert_array_equal(got, expected(x, codes, planes))


@pytest.mark.parametrize("simd", [1, 5, 6])
@pytest.mark.parametrize("bits", [1, 3, 5, 8])
def test_chains_of_rows(simd, bits):
    rng = np.random.default_rng(simd + 8 * bits)
    planes = tuple((j + 1, j == bits - 1) for j in range(bits))
    x, codes = rng.integers(-8, 8, (30, simd)), rng.integers(0, 1 << bits, (30, simd))
    x[0], codes[0], x[1], codes[1] = -8, (1 << bits) - 1, 7, (1 << bits) - 1
    got = weighted_sum(x, codes, Shape(4, True), planes)
    np.testing.assert_array_equal(got, expected(x, codes, planes))


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_row_once_and_no_deeper_than_allowed(bits):
    planes = tuple((j, False) for j in range(bits))
    found = chains(7, 4, planes)
    rows = [(pair, plane) for chain in found for pair, plane, *_ in chain]
    assert sorted(rows) == [(pair, plane) for pair in range(4) for plane in range(bits)]
    assert max(map(len, found)) <= DEPTH
    assert row_sites(7, 4, planes) >= len(rows) * 5
