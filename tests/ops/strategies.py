"""What the tests of operators draw."""

from __future__ import annotations

from hypothesis import strategies as st

from hwgen.ir.types import TensorType
from tests.hw.strategies import ranges

seeds = st.integers(0, 2**32 - 1)
factors = st.tuples(st.integers(1, 3), st.integers(1, 3))


SIDES, CHANNELS = st.integers(1, 4), st.sampled_from([1, 2, 3, 4, 6])


@st.composite
def images(draw, sides=SIDES, channels=CHANNELS):
    """The type of a small image."""
    return TensorType((draw(sides), draw(sides), draw(channels)), draw(ranges))


@st.composite
def tensors(draw):
    """The type of an image or of a vector."""
    image = draw(images())
    return draw(st.sampled_from([image, TensorType(image.shape[-1:], image.range)]))
