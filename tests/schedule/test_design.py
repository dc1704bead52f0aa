"""Designs: what follows from stages and links, the rules that hold, and the cheapest of all."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from hwgen.ops import Reshape
from hwgen.schedule import Design, schedule
from hwgen.schedule.design import source_of
from hwgen.schedule.option import options
from tests.schedule.nets import cnn, mlp


def test_numbers_follow_from_the_stages() -> None:
    design = schedule(cnn(), interval=300, clock_mhz=150)
    costs = [stage.cost for stage in design.stages]
    slowest = max(design.stages, key=lambda stage: stage.cost.interval)
    assert design.interval == slowest.cost.interval
    assert design.bottleneck == slowest.node.name
    assert design.fps == 150e6 / design.interval
    assert design.latency == sum(cost.latency for cost in costs)
    total, between = design.total(), design.between()
    assert total.dsp == sum(cost.dsp for cost in costs) and min(between[:2]) > 0
    for kind in ("lut", "ff", "bram"):
        stages = sum(getattr(cost, kind) for cost in costs)
        assert getattr(total, kind) == stages + getattr(between, kind)
    assert (total.interval, total.latency) == (design.interval, design.latency)


def test_a_change_of_lanes_can_be_the_slowest() -> None:
    design = schedule(mlp(), folding="parallel")
    slow = replace(design.links[0], lanes_from=1)
    assert replace(design, links=(slow, *design.links[1:])).interval == slow.elements > 1


def test_views_are_no_stages() -> None:
    design = schedule(cnn())
    (view,) = (node for node in design.graph.nodes if isinstance(node.op, Reshape))
    assert view.name not in {stage.node.name for stage in design.stages}
    (link,) = (link for link in design.links if link.consumer == "fc")
    assert link.value == view.inputs[0] == design.source(view.output)
    assert source_of(design.graph, "fc") == "fc"


@pytest.mark.parametrize("folding", ["serial", "balanced", "parallel"])
@pytest.mark.parametrize("net", [mlp, cnn])
def test_streams_fit(net, folding) -> None:
    design = schedule(net(), folding=folding)
    design.verify()
    assert len(design.links) == len(design.stages) + 1
    for link in design.links:
        assert link.elements == design.graph.type(link.value).size


def broken() -> dict[str, Design]:
    design = schedule(mlp(), interval=16)
    first, second, *rest = design.links
    return {
        "a link is missing": replace(design, links=(first, *rest)),
        "an input has two links": replace(design, links=(*design.links, second)),
        "a link that nobody wants": replace(
            design, links=(first, replace(second, consumer="nobody"), *rest)),
        "other lanes than its maker": replace(
            design, links=(first, replace(second, lanes_from=second.lanes_from + 1), *rest)),
        "other lanes than its consumer": replace(
            design, links=(first, replace(second, lanes_to=second.elements), *rest)),
        "lanes that do not divide": replace(
            design, links=(replace(first, lanes_from=5), second, *rest)),
    }  # fmt: skip


@pytest.mark.parametrize("fault", broken())
def test_each_rule_is_checked(fault: str) -> None:
    with pytest.raises(AssertionError):
        broken()[fault].verify()


@pytest.mark.parametrize("interval", [1, 2, 3, 4, 6, 12, 100])
def test_no_combination_is_cheaper(interval: int) -> None:
    """Brute force over every folding and lowering of every stage."""
    graph = mlp((4, 3, 2))
    ways = [options(graph, node) for node in graph.nodes]
    combinations = list(product(*ways))
    assert len(combinations) == 216
    sizes = [
        sum(option.size for option in each)
        for each in combinations
        if max(option.cost.interval for option in each) <= interval
    ]
    design = schedule(graph, interval=interval)
    chosen = [
        next(o for o in found if (o.lowering, o.folding) == (stage.lowering, stage.folding))
        for found, stage in zip(ways, design.stages, strict=True)
    ]
    assert sum(option.size for option in chosen) == min(sizes)
    assert design.interval <= interval
