import numpy as np
import pytest

from hwgen.core.intrange import IntRange
from hwgen.hw.elementwise import Elementwise, Product, WeightedSum
from tests.hw.harness import simulate
from tests.hw.strategies import integers

RANGES = [IntRange(-3, 4), IntRange(0, 15)]


@pytest.mark.parametrize("offsets", [[5], [7, 7, 7, 7], [1, -20, 30, 4], [1, -20]])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_weighted_sum(offsets, stall):
    """Offsets: one; four alike; four, in two groups of lanes; one for each lane."""
    offsets = np.array(offsets)
    x = [integers(k, range_, 8, len(offsets) if len(offsets) > 1 else 2) for k, range_ in
         enumerate(RANGES)]  # fmt: skip
    y = 3 * x[0] - x[1] + offsets
    component = WeightedSum(RANGES, IntRange(-60, 60), 2, (3, -1), offsets)
    result = simulate(component, [a.reshape(-1, 2) for a in x], expected_beats=y.size // 2,
                      stall_in=stall, stall_out=stall)  # fmt: skip
    np.testing.assert_array_equal(result.output, y.reshape(-1, 2))
    if not stall:
        np.testing.assert_array_equal(result.out_cycles[0], result.in_cycles[0] + Elementwise.DEPTH)


def test_product_is_exact_at_the_corners():
    x = [np.array([[a] for a in (-3, -3, 4, 4)]), np.array([[b] for b in (0, 15, 0, 15)])]
    component = Product(RANGES, RANGES[0] * RANGES[1], 1)
    result = simulate(component, x, expected_beats=4, stall_in=0.3, stall_out=0.3)
    np.testing.assert_array_equal(result.output.ravel(), [0, -45, 0, 60])


def test_bad_arguments():
    with pytest.raises(ValueError, match="no 2 lanes"):
        WeightedSum(RANGES, IntRange(0, 9), 2, (1, 1), np.arange(3))
    with pytest.raises(ValueError, match="no 1 lanes"):
        WeightedSum(RANGES, IntRange(0, 9), 1, (1, 1, 1), np.zeros(1))
