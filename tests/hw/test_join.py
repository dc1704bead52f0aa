import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.join import Join
from tests.hw.harness import check
from tests.hw.strategies import FEW, integers, ranges, seeds


@FEW
@given(st.lists(st.tuples(st.integers(1, 3), ranges), min_size=1, max_size=3), seeds)
def test_inputs_side_by_side(inputs, seed):
    lanes, sources = zip(*inputs, strict=True)
    x = [integers(seed + k, range_, 40, n) for k, (n, range_) in enumerate(inputs)]
    component = Join(lanes, sources)
    check(component, x, np.concatenate(x, axis=1), frames=40, seed=seed)
    assert all(range_ in component.output_range for range_ in sources)


@pytest.mark.parametrize("lanes", [(), (1,), (1, 1, 1)])
def test_bad_arguments(lanes):
    with pytest.raises(ValueError, match="lanes must be one number per range"):
        Join(lanes, [IntRange(0, 1)] * 2)
