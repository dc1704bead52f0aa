"""Rearrangements found to be transposes of some shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.frontends.radix import as_transpose
from hwgen.ops import Transpose
from tests.frontends.fixed import Fixed, equal


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.randoms())
def test_every_transpose_is_found(shape, random):
    axes = random.sample(range(len(shape)), len(shape))
    order = np.arange(np.prod(shape)).reshape(shape).transpose(axes)
    found = as_transpose(order)
    assert found is not None
    again = np.arange(order.size).reshape(found[0]).transpose(found[1])
    np.testing.assert_array_equal(again.ravel(), order.ravel())


@pytest.mark.parametrize("order", [[1, 0], [0, 2, 1, 3, 5, 4], [0, 1, 3, 2], [3, 2, 1, 0], [0, 0]])
def test_what_is_none(order):
    assert as_transpose(np.array(order)) is None


def test_columns_of_an_image_as_tokens():
    """Channels and rows together: no image that layers make has them side by side."""
    pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
    net = Fixed()
    x = net.node("Conv", net.pair("x", 0.125), net.stored((4, 2, 1, 1), 0.5))
    x = net.node("Transpose", net.pair(x, 0.5), perm=[0, 3, 1, 2])
    x = net.node("Reshape", x, net.const([1, 5, 12], np.int64))
    graph = equal(net, net.node("MatMul", x, net.stored((12, 3), 0.5)), x=(1, 2, 3, 5))
    assert Transpose in {type(node.op) for node in graph.nodes}


def test_a_part_of_an_image_made_of_blocks():
    pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
    net = Fixed()
    x = net.node("DepthToSpace", net.pair("x", 0.125), blocksize=2)
    given = [net.const([v], np.int64) for v in (1, 4, 2, 1)]
    x = net.node("Slice", x, *given)
    equal(net, net.node("MaxPool", x, kernel_shape=[2, 2]), x=(1, 8, 3, 3))
