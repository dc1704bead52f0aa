import pytest
from hypothesis import given

from hwgen.core.intrange import IntRange
from hwgen.hw.parallel_window import ParallelWindow
from tests.hw.geometries import CASES, geometries, parallel
from tests.hw.harness import check, to_beats
from tests.hw.strategies import FEW, integers, ranges, seeds


@FEW
@given(geometries(), ranges, seeds)
def test_random_windows(geometry, range_, seed):
    check_windows(geometry, range_, seed)


@pytest.mark.parametrize("geometry", CASES.values(), ids=CASES)
def test_windows(geometry):
    check_windows(geometry, IntRange(-3, 4), 1)


def check_windows(geometry, range_, seed):
    shape, lanes, *rest = geometry
    x = integers(seed, range_, 4, *shape)
    component = ParallelWindow(range_, *geometry)
    check(component, to_beats(x, lanes), parallel(x, lanes, *rest), frames=4, seed=seed)
    assert component.interval == shape[0] * shape[1] * shape[2] // lanes
