"""Blocks of pixels to channels and back, in both modes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.ir.types import TensorType
from hwgen.ops import DepthToSpace, SpaceToDepth
from tests.hw.strategies import FEW
from tests.ops.strategies import images, seeds
from tests.ops.suite import check_operator, check_range_is_reached, foldings

blocks, modes = st.integers(1, 3), st.sampled_from(["DCR", "CRD"])


@st.composite
def rearrangements(draw):
    block, mode, x = draw(blocks), draw(modes), draw(images(channels=st.integers(1, 4)))
    height, width, channels = x.shape
    if draw(st.booleans()):
        shape = (height, width, channels * block**2)
        return DepthToSpace(block, mode), [TensorType(shape, x.range)]
    shape = (height * block, width * block, channels)
    return SpaceToDepth(block, mode), [TensorType(shape, x.range)]


@FEW
@given(rearrangements(), st.data(), seeds)
def test_every_folding(case, data, seed):
    op, types = case
    check_range_is_reached(op, types)
    way = data.draw(st.sampled_from(foldings(op, types)))
    check_operator(op, types, way, np.random.default_rng(seed))


@given(blocks, modes, images())
def test_element_by_element(block, mode, type_):
    height, width, depth = type_.shape
    channels = depth * block**2
    x = np.arange(height * width * channels).reshape(1, height, width, channels)
    y = DepthToSpace(block, mode).reference(x)
    for r, c, d in np.ndindex(y.shape[1:]):
        i, j = r % block, c % block
        dcr, crd = (i * block + j) * depth + d, d * block**2 + i * block + j
        channel = {"DCR": dcr, "CRD": crd}[mode]
        assert y[0, r, c, d] == x[0, r // block, c // block, channel]
    np.testing.assert_array_equal(SpaceToDepth(block, mode).reference(y), x)


def test_memory_holds_two_rows():
    x = TensorType((6, 5, 8), IntRange(0, 1))
    (lowering, folding), *_ = foldings(DepthToSpace(2), [x])
    assert lowering.build(DepthToSpace(2), folding, x).block == 5 * 8


@pytest.mark.parametrize(("op", "shape", "message"), [
    (DepthToSpace(2), (4, 4, 6), "6 channels are no blocks of 2x2"),
    (SpaceToDepth(2), (4, 3, 1), "4x3 is no grid of blocks of 2x2"),
    (SpaceToDepth(2, "RCD"), (4, 4, 1), "DCR or CRD"),
    (DepthToSpace(2), (4,), "wants"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(op, shape, message):
    with pytest.raises(ValueError, match=message):
        op.infer(TensorType(shape, IntRange(0, 1)))
