"""Passes leave every integer as it was."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir import Chain, GraphBuilder, Port, TensorType, execute, verify
from hwgen.ops import MatMul, Reshape, Threshold
from hwgen.passes import run_passes
from hwgen.passes.compose_thresholds import compose


def staircase(rng: np.random.Generator, rows: int, lo: int, hi: int) -> Threshold:
    table = np.sort(rng.integers(lo - 1, hi + 2, (rows, rng.integers(0, 7))), axis=1)
    return Threshold(table, int(rng.integers(-5, 5)), rng.integers(0, 2, rows))


@given(st.integers(0, 2**32 - 1))
def test_composition_equals_one_after_the_other(seed):
    rng = np.random.default_rng(seed)
    x = IntRange(-20, 20)
    first = staircase(rng, int(rng.choice([1, 3])), x.lo, x.hi)
    y = first.infer(TensorType((3,), x)).range
    second = staircase(rng, int(rng.choice([1, 3])), y.lo, y.hi)
    values = np.repeat(np.arange(x.lo, x.hi + 1)[:, None], 3, axis=1)
    expected = second.reference(first.reference(values))
    np.testing.assert_array_equal(compose(first, second, x).reference(values), expected)


def test_views_and_staircases_are_merged():
    rng = np.random.default_rng(0)
    builder = GraphBuilder("net")
    x = TensorType((2, 2, 3), IntRange(0, 15))
    port = Port("x", builder.fresh("x"), x.shape, np.arange(12).reshape(x.shape), Chain())
    value = builder.input(x, port)
    for shape in ((12,), (3, 2, 2), (12,)):
        value = builder.add(Reshape(shape), [value], name="view")
    value = builder.add(MatMul(rng.integers(-2, 3, (12, 4))), [value], name="fc")
    for _ in range(3):
        range_ = builder.type(value).range
        value = builder.add(staircase(rng, 4, range_.lo, range_.hi), [value], name="steps")
    builder.output(Port("y", value, (4,), np.arange(4)))
    before = builder.build()
    verify(before)
    after = run_passes(before)
    assert [type(node.op).__name__ for node in after.nodes] == ["Reshape", "MatMul", "Threshold"]
    frames = {"x": rng.integers(0, 16, (50, *x.shape))}
    (old,), (new,) = (list(execute(graph, frames).values()) for graph in (before, after))
    np.testing.assert_array_equal(new, old)
