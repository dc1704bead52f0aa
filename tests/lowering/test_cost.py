"""Estimates of area against what synthesis gave, and against themselves."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.thresholds import case as threshold_case
from hwgen.core.intrange import IntRange
from hwgen.hw.dsp_layout import PORTS, Packing
from hwgen.lowering import Folding, Lowering
from hwgen.lowering.cost import dot_product_luts, unrolled_product_cost
from hwgen.ops.matmul import mac_cost

BENCH = Path(__file__).parents[2] / "bench"
MEASURED = json.loads((BENCH / "results" / "arithmetic.json").read_text())


@pytest.mark.parametrize("row", MEASURED["folded"], ids=lambda r: f"{r['name']}_simd{r['simd']}")
def test_dot_products_are_within_a_quarter_of_the_measured(row):
    kind, x_bits = row["name"].split("a")
    w_bits = int(kind[1:])
    estimate = row["pe"] * dot_product_luts(
        row["simd"], w_bits, int(x_bits), row["pe"], bipolar=w_bits == 1
    )
    assert estimate == pytest.approx(row["xc7"]["lut_cells"], rel=0.25)


@pytest.mark.parametrize(
    "row",
    [r for r in MEASURED["constant"] if "xc7" in r and r["name"].endswith("_staged")],
    ids=lambda r: r["name"],
)
def test_constant_matrices_are_within_a_quarter_of_the_measured(row):
    case = np.load(BENCH / "cases" / f"{row['name'].removesuffix('_staged')}.npz")
    estimate, _ = unrolled_product_cost(case["W"].astype(int), int(case["abits"]))
    assert estimate == pytest.approx(row["xc7"]["lut_cells"], rel=0.25)


@pytest.mark.parametrize("row", MEASURED["thresholds"], ids=lambda r: r["name"])
def test_thresholds_are_within_two_fifths_of_the_measured(row):
    op, x = threshold_case(row["case"])
    ways = [way for w in Lowering.of(op) for way in (w, *w.in_dsps("dsp48e1"))]
    way = next(w for w in ways if w.name == row["circuit"])
    cost = way.cost(op, Folding(row["pe"]), x)
    assert cost.lut == pytest.approx(row["lut"], rel=0.4, abs=10)
    assert cost.dsp == row["dsp"]
    assert cost.interval == row["interval"]
    assert cost.latency == row["latency"]


def test_more_of_anything_is_never_cheaper():
    lanes, bits = (1, 2, 4, 8, 16, 64), range(1, 9)
    for bipolar in (False, True):
        for w in bits[:1] if bipolar else bits:
            for x in bits:
                costs = [dot_product_luts(n, w, x, 4, bipolar=bipolar) for n in lanes]
                assert all(a <= b for a, b in pairwise(costs)), (w, x, costs)
    for n in lanes:
        for fixed in bits:
            assert all(
                dot_product_luts(n, a, fixed, 4) <= dot_product_luts(n, b, fixed, 4)
                and dot_product_luts(n, fixed, a, 4) <= dot_product_luts(n, fixed, b, 4)
                for a, b in pairwise(bits)
            ), (n, fixed)


def test_zero_weights_cost_nothing():
    weight = np.array([[3, 0], [-5, 0]])
    assert unrolled_product_cost(weight, 4) == unrolled_product_cost(weight[:, :1], 4)
    assert unrolled_product_cost(np.zeros((4, 4), int), 4) == (0, 0)


@pytest.mark.parametrize("bits", [(2, 4), (4, 4), (8, 8)])
def test_layers_in_dsps_are_within_a_quarter_of_the_measured(bits):
    w_bits, x_bits = bits
    (row,) = (r for r in MEASURED["blocks"] if r["name"] == f"mac_w{w_bits}a{x_bits}_dsp")
    half = 1 << (w_bits - 1)
    weight = np.random.default_rng(0).integers(-half, half, (256, 64))
    cost = mac_cost(weight, IntRange.of_bits(x_bits, signed=False), Folding(8, 16), 128, 129,
                    packing=Packing(PORTS["dsp48e1"]))  # fmt: skip
    assert cost.dsp == row["dsp"] and cost.latency == row["latency"]
    assert cost.lut == pytest.approx(row["lut"], rel=0.25)
