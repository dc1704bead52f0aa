"""DSPs within a budget: never more, never worse, and only where they were allowed."""

from itertools import product

import pytest

from hwgen.config import BuildConfig
from hwgen.core.errors import HwgenError
from hwgen.flow import folding_text
from hwgen.lowering import DSPS
from hwgen.schedule import schedule
from hwgen.schedule.dsps import LEAST_GAIN, spend
from hwgen.schedule.option import Option, options
from tests.schedule.nets import cnn, mlp

NETS = [mlp(bits=4), cnn()]


def size(option):
    return option.size_without_dsps + LEAST_GAIN * option.cost.dsp


def as_option(stage):
    return Option(stage.lowering, stage.folding, stage.cost)


@pytest.mark.parametrize("graph", NETS, ids=lambda graph: graph.name)
def test_without_them_nothing_changes(graph):
    plain = schedule(graph)
    assert plain.total().dsp == 0
    assert folding_text(schedule(graph, dsp="dsp48e1", dsps=0)) == folding_text(plain)


@pytest.mark.parametrize("dsp", DSPS)
@pytest.mark.parametrize("graph", NETS, ids=lambda graph: graph.name)
def test_a_larger_budget_is_never_worse(graph, dsp):
    bounds = [0, 1, 2, 5, 12, 40, None]
    designs = [schedule(graph, interval=300, dsp=dsp, dsps=most) for most in bounds]
    for most, design in zip(bounds, designs, strict=True):
        assert most is None or design.total().dsp <= most
        assert design.interval <= 300
    sizes = [sum(map(size, map(as_option, design.stages))) for design in designs]
    assert sizes == sorted(sizes, reverse=True)
    assert designs[-1].total().dsp > 0 or dsp != "dsp48e1"


def test_the_choice_is_the_optimum():
    graph, target = mlp(sizes=(8, 6, 4), bits=4), 24
    nodes = [node for node in graph.nodes if node.op.macs(*graph.input_types(node))]
    ways = {
        n.name: [
            next(o for o in options(graph, n) if o.cost.interval <= target),
            *[o for o in options(graph, n, "dsp48e1") if o.cost.interval <= target],
        ]
        for n in nodes
    }
    for most in (0, 1, 3, 6):
        chosen = spend(ways, most)
        every = [c for c in product(*ways.values()) if sum(o.cost.dsp for o in c) <= most]
        assert sum(map(size, chosen.values())) == min(sum(map(size, c)) for c in every)


def test_a_folding_file_names_them(tmp_path):
    graph = mlp(bits=4)
    design = schedule(graph, interval=20, dsp="dsp48e1")
    path = tmp_path / "folding.json"
    path.write_text(folding_text(design))
    assert "dsp48e1x" in path.read_text()
    assert folding_text(schedule(graph, folding=path)) == folding_text(design)
    path.write_text('{"fc0": {"pe": 4, "simd": 4, "lowering": "dsp48e2x99"}}')
    with pytest.raises(HwgenError, match="HW311"):
        schedule(graph, folding=path)


@pytest.mark.parametrize(
    "options",
    [{"dsps": 4}, {"dsp": "dsp58"}, {"dsp": "dsp48e1", "dsps": -1},
     {"dsp": "dsp48e1", "folding": "folding.json"}],
)  # fmt: skip
def test_options_that_cannot_be(options, tmp_path):
    with pytest.raises(HwgenError, match="HW110"):
        BuildConfig(tmp_path / "model.onnx", tmp_path / "build", **options)
