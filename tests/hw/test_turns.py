import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange
from hwgen.hw.turns import Turns
from tests.hw.harness import simulate
from tests.hw.strategies import FEW, integers, ranges, seeds


@FEW
@given(st.lists(st.tuples(ranges, st.integers(1, 4)), min_size=1, max_size=4), seeds)
def test_runs_follow_each_other(inputs, seed):
    lanes, rounds = 2, 5
    x = [integers(seed + k, range_, rounds, run, lanes) for k, (range_, run) in enumerate(inputs)]
    wanted = np.concatenate(x, axis=1).reshape(-1, lanes)
    beats = [part.reshape(-1, lanes) for part in x]
    for options in ({}, {"stall_in": 0.4, "stall_out": 0.4}, {"stall_in": 0.4, "reset_at": 7}):
        component = Turns([range_ for range_, _ in inputs], lanes, [run for _, run in inputs])
        result = simulate(component, beats, expected_beats=len(wanted), seed=seed, **options)
        np.testing.assert_array_equal(result.output, wanted)
        if not options:
            np.testing.assert_array_equal(result.out_cycles[0], np.arange(len(wanted)))


@pytest.mark.parametrize("runs", [(1,), (1, 0)])
def test_bad_arguments(runs):
    with pytest.raises(ValueError, match="runs must be one positive number per range"):
        Turns([IntRange(0, 1)] * 2, 1, runs)
