"""Estimates of what stands between stages: against synthesis, and against themselves."""

from itertools import pairwise

import pytest

from hwgen import api
from hwgen.core.resources import resource
from hwgen.lowering.links import buffer_area, converter_area


def test_a_deeper_or_wider_buffer_is_never_cheaper():
    for few, more in pairwise([0, 1, 2, 3, 17, 33, 64, 65, 200]):
        if (few, more) not in ((2, 3), (64, 65)):  # a queue keeps its beats in memory
            assert buffer_area(8, few).ff <= buffer_area(8, more).ff
        assert buffer_area(8, few).lut <= buffer_area(8, more).lut or few == 2
        assert buffer_area(8, more) < buffer_area(16, more)


@pytest.mark.parametrize("lanes", [(4, 1), (1, 4), (4, 6), (6, 4)])
def test_wider_lanes_cost_more(lanes: tuple[int, int]):
    assert converter_area(*lanes, 4) < converter_area(*lanes, 8)
    assert converter_area(4, 4, 8) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["digits_mlp_w2a4", "digits_cnn_w2a4", "mnist_bnn_w1a1"])
def test_whole_builds_are_within_a_quarter_of_what_synthesis_gives(model, tmp_path):
    made = api.build(
        resource("models") / f"{model}.onnx", tmp_path / "b", folding="balanced", frames=1
    )
    estimates = [s["estimate"] for s in made.manifest["stages"]] + [made.manifest["between"]]
    measured = api.synthesize(tmp_path / "b").total
    for kind in ("lut", "ff"):
        estimate = sum(e[kind] for e in estimates)
        assert estimate == pytest.approx(getattr(measured, kind), rel=0.25)
