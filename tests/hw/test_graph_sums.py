"""Adder graphs as circuits: sums of three terms over all inputs, and pipelines that stay in step."""

import numpy as np
import pytest
from amaranth.hdl import Module, Shape, Signal
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.adder_graph import AdderGraph, Node, Term, linear_range
from hwgen.hw.adder_schedule import chain, schedule
from hwgen.hw.adder_tree import sum_columns
from hwgen.hw.graph_sums import GraphSums
from tests.hw.test_adder_graph import matrices
from tests.hw.test_dot_product import lanes_of, maker, outputs, packed

WIDTH = 2  # of three inputs, all of whose values are tried

signs, shifts = st.booleans(), st.integers(0, 4)


@settings(max_examples=40, deadline=None)
@given(shifts, shifts, shifts, signs, signs, signs, signs)
def test_three_terms_on_one_chain(s0, s1, outer, minus, outer_minus, inner_first, signed):
    """``((x0 << s0) +- (x1 << s1)) << outer +- x2`` or the other way round, as one adder."""
    x_range = IntRange.of_bits(WIDTH, signed=signed)
    inner = np.array([1 << s0, -(1 << s1) if minus else 1 << s1, 0])
    terms = [Term(3, outer, False), Term(2, 0, False)]
    if not inner_first:
        terms.reverse()
    terms[1] = Term(terms[1].value, terms[1].shift, outer_minus)
    factors = sum(
        (-1) ** t.negative * (inner if t.value == 3 else np.array([0, 0, 1])) << t.shift for t in terms
    )  # fmt: skip
    nodes = (
        Node(Term(0, s0, False), Term(1, s1, minus), linear_range(inner, x_range), 1),
        Node(terms[0], terms[1], linear_range(factors, x_range), 2),
    )
    graph = AdderGraph(
        3, nodes, ((Term(4, 0, False),),), (*[x_range] * 3, *(n.range for n in nodes))
    )
    m, x = Module(), Signal(3 * WIDTH)
    sums = GraphSums(m, graph, lanes_of(x, Shape(WIDTH, signed)), maker(m), 0, spare=9)
    assert not sums.values[3], "the inner sum is part of the outer one"
    every = np.stack(np.meshgrid(*[np.arange(x_range.lo, x_range.hi + 1)] * 3), -1).reshape(-1, 3)
    got = outputs(m, (x,), [sums.at(4, 0)], [(packed(v, WIDTH),) for v in every])
    np.testing.assert_array_equal(np.array(got)[:, 0], every @ factors)


@settings(max_examples=40, deadline=None)
@given(matrices(), st.integers(0, 4), st.integers(0, 3))
def test_adders_follow_their_terms(case, registers, spare):
    weight, x_range = case
    graph = sum_columns(weight, x_range, 6)
    plan = schedule(graph, registers, spare)
    stage = [0] * graph.inputs + list(plan.stage)
    merged = set()
    for n, node in enumerate(graph.nodes):
        terms = plan.three.get(n, (node.a, node.b))
        assert max(stage[t.value] for t in terms) <= plan.stage[n] <= registers
        if n in plan.three:
            (inner,) = {node.a.value, node.b.value} - {t.value for t in terms}
            merged.add(inner)
            assert inner - graph.inputs not in plan.three
    read = {t.value for terms in graph.outputs for t in terms}
    for n, node in enumerate(graph.nodes):
        if n + graph.inputs not in merged:
            read |= {t.value for t in plan.three.get(n, (node.a, node.b))}
    assert not merged & read, "a sum that is part of another is read"


def test_more_levels_make_more_adders_one():
    rng = np.random.default_rng(0)
    graph = sum_columns(rng.integers(-8, 8, (16, 16)), IntRange(-8, 7), 6)
    few, some, many = (len(schedule(graph, 2, spare).three) for spare in (0, 2, 9))
    assert few < some <= many < len(graph.nodes) / 2


@pytest.mark.parametrize(("signs", "expected"), [
    ((False, False, False), (2, 5)), ((True, False, False), (0, 5)), ((False, True, False), (2, 5)),
    ((False, False, True), (2, 5)), ((True, True, False), (0, 2)), ((False, True, True), (2, 5)),
])  # fmt: skip
def test_where_a_chain_starts(signs, expected):
    assert chain([Term(0, s, n) for s, n in zip((0, 2, 5), signs, strict=True)]) == expected
