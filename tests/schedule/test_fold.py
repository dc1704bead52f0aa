"""Foldings: the cheapest that meets the interval, or a plain refusal."""

import json

import pytest

from hwgen.core.errors import HwgenError
from hwgen.flow import folding_text
from hwgen.ops import Reshape
from hwgen.schedule import schedule
from hwgen.schedule.option import options
from tests.schedule.nets import cnn, mlp

NETS = [mlp(), cnn()]


@pytest.mark.parametrize("graph", NETS, ids=lambda graph: graph.name)
@pytest.mark.parametrize("interval", [216, 500, 2000, 10**6])
def test_every_stage_is_the_cheapest_that_meets_the_interval(graph, interval):
    design = schedule(graph, interval=interval)
    assert design.interval <= interval
    for stage in design.stages:
        ways = [o for o in options(graph, stage.node) if o.cost.interval <= interval]
        size = min(option.size for option in ways)
        chosen = [o for o in ways if (o.lowering, o.folding) == (stage.lowering, stage.folding)]
        assert [option.size for option in chosen] == [size]


@pytest.mark.parametrize("graph", NETS, ids=lambda graph: graph.name)
def test_named_foldings_are_the_ends_of_the_range(graph):
    serial, parallel = schedule(graph, folding="serial"), schedule(graph, folding="parallel")
    assert {(s.folding.pe, s.folding.simd) for s in serial.stages} == {(1, 1)}
    for stage in parallel.stages:
        fastest = min(option.cost.interval for option in options(graph, stage.node))
        assert stage.cost.interval == fastest
    balanced = schedule(graph)
    assert parallel.interval <= balanced.interval <= serial.interval


def test_an_interval_out_of_reach_names_every_layer():
    with pytest.raises(HwgenError) as caught:
        schedule(cnn(), interval=5)
    problems = caught.value.problems
    slow = [n for n in cnn().nodes if not isinstance(n.op, Reshape) and n.name != "fc"]
    assert {problem.code for problem in problems} == {"HW310"}
    assert len(problems) == len(slow)
    assert caught.value.exit_code == 1
    assert "5 were asked for" in problems[0].why
    assert "--interval" in problems[0].help


@pytest.mark.parametrize("graph", NETS, ids=lambda graph: graph.name)
def test_folding_file_round_trip(graph, tmp_path):
    design = schedule(graph, interval=300)
    path = tmp_path / "folding.json"
    path.write_text(folding_text(design))
    again = schedule(graph, folding=path)
    assert folding_text(again) == folding_text(design)
    assert again.links == design.links


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        ("{", "HW110", "not a folding file"),
        ("[]", "HW110", "not a folding file"),
        ('{"fc0": {"pe": 5}}', "HW311", "PE=5 SIMD=1 is not legal"),
        ('{"nowhere": {"pe": 1}}', "HW311", "the model has no such stage"),
    ],
)
def test_bad_folding_files_are_refused(content, code, text, tmp_path):
    path = tmp_path / "folding.json"
    path.write_text(content)
    with pytest.raises(HwgenError) as caught:
        schedule(mlp(), folding=path)
    assert caught.value.problems[0].code == code
    assert text in str(caught.value)


def test_a_folding_file_may_leave_stages_out(tmp_path):
    path = tmp_path / "folding.json"
    path.write_text(json.dumps({"fc0": {"pe": 4, "simd": 8}}))
    design = schedule(mlp(), folding=path)
    assert (design.stage("fc0").folding.pe, design.stage("fc0").folding.simd) == (4, 8)
    assert (design.stage("fc1").folding.pe, design.stage("fc1").folding.simd) == (1, 1)
