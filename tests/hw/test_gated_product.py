import pytest

from hwgen.core.intrange import IntRange
from hwgen.hw.gated_product import GatedProduct
from tests.hw.harness import check
from tests.hw.strategies import integers

X, GATE = IntRange(-8, 7), IntRange(0, 3)


@pytest.mark.parametrize(
    ("pixels", "groups", "lanes"), [(6, 3, 2), (1, 4, 1), (5, 1, 3), (1, 1, 1)]
)
def test_every_pixel_meets_the_gates_of_its_frame(pixels, groups, lanes):
    x, gates = integers(1, X, 5, pixels, groups * lanes), integers(2, GATE, 5, 1, groups * lanes)
    component = GatedProduct(X, GATE, X * GATE, lanes, pixels, groups)
    beats = [a.reshape(-1, lanes) for a in (x, gates)]
    check(component, beats, (x * gates).reshape(-1, lanes), frames=5, seed=pixels)


def test_ranges_of_both_inputs_are_their_own():
    component = GatedProduct(X, GATE, X * GATE, 1, 1, 1)
    assert [len(i.payload.as_value()) for i in (component.i0, component.i1)] == [4, 2]
