"""Unrolled networks: where buffers stand, and that the core moves, stalls and resets as one."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.emit.core import DataflowCore
from hwgen.ir.execute import execute
from hwgen.ops import MatMul
from hwgen.schedule import schedule
from hwgen.schedule.fold import LONGEST_RUN
from tests.hw.harness import measure, simulate
from tests.schedule.nets import mlp


def unrolled(graph, folder):
    """The design of an MLP all of whose stages are unrolled."""
    wanted = {}
    for node in graph.nodes:
        simd = len(node.op.weight) if isinstance(node.op, MatMul) else 1
        pe = graph.type(node.output).channels
        wanted[node.name] = {"pe": pe, "simd": simd, "lowering": "unrolled"}
    path = folder / "folding.json"
    path.write_text(json.dumps(wanted))
    return schedule(graph, folding=path)


def test_no_buffer_stands_between_unrolled_stages_but_where_ready_is_cut(tmp_path):
    design = unrolled(mlp((4, 3, 4, 3, 4, 3, 4)), tmp_path)
    assert all(stage.lowering.unrolled for stage in design.stages)
    depths = [link.depth for link in design.links if link.consumer]
    assert [k for k, depth in enumerate(depths) if depth] == [LONGEST_RUN]
    assert DataflowCore(design).boundary()[0][0].registered


def test_a_folded_stage_keeps_its_buffers():
    design = schedule(mlp((4, 3, 2)), folding="serial")
    assert not any(stage.lowering.unrolled for stage in design.stages)
    assert not DataflowCore(design).boundary()[0][0].registered
    assert [link.depth for link in design.links if link.consumer == "fc1"] == [2]


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 99), st.sampled_from([0.0, 0.4]), st.sampled_from([None, 7]))
def test_the_core_gives_the_reference(tmp_path_factory, seed, stall, reset_at):
    graph = mlp((5, 4, 3, 2), seed=seed)
    design = unrolled(graph, tmp_path_factory.mktemp("folding"))
    x = np.random.default_rng(seed).integers(0, 4, (20, 5))
    y = execute(graph, {graph.inputs[0].value: x})[graph.outputs[0].value]
    result = simulate(DataflowCore(design), x, expected_beats=len(x), stall_in=stall,
                      stall_out=stall, seed=seed, reset_at=reset_at)  # fmt: skip
    np.testing.assert_array_equal(result.output, y)
    if not stall and reset_at is None:
        interval, latency = measure(DataflowCore(design), x, frames=20, expected_beats=20)
        assert (interval, latency) == (1, design.latency)
