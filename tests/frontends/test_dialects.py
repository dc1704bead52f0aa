"""One network in every dialect: the same integers, whatever the file looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwgen import api
from hwgen.frontends import lift, run_source, source_of
from hwgen.ir.execute import run_frames
from hwgen.ops import Add, Conv, MatMul, MaxPool, SumPool
from tests.frontends.dialects import DIALECTS, SHAPE, Operators, Parameters
from tests.system.conftest import needs_simulator

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
FRAMES = 60


def frames(seed: int) -> np.ndarray:
    """Small numbers, numbers beyond the input's range, and ties of its quantizer."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-100, 600, (FRAMES, *SHAPE)) * rng.choice([0.25, 1, 2], (FRAMES, 1, 1, 1))
    return (x / 128).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_every_dialect_says_the_same_integers(seed: int) -> None:
    x, p = {"x": frames(seed)}, Parameters.random(seed)
    results = []
    for dialect in DIALECTS:
        source = source_of(dialect().network(p))
        graph = lift(source)
        (ours,), (theirs,) = run_frames(graph, x).values(), run_source(source, x).values()
        np.testing.assert_array_equal(ours, theirs)
        (raw,) = run_frames(graph, x, raw=True).values()
        results.append((ours, raw))
        ops = [type(node.op) for node in graph.nodes]
        assert [ops.count(op) for op in (Conv, MaxPool, Add, SumPool, MatMul)] == [3, 1, 1, 1, 1]
    for ours, raw in results[1:]:
        np.testing.assert_array_equal(ours, results[0][0])
        np.testing.assert_array_equal(raw, results[0][1])
    assert len(np.unique(results[0][1])) > FRAMES  # the network says something


@pytest.mark.slow
@needs_simulator
def test_a_dialect_through_verilog(tmp_path: Path) -> None:
    """The rest follows: all of them have the integers of this one."""
    model = tmp_path / "net.onnx"
    model.write_bytes(Operators().network(Parameters.random(0)).SerializeToString())
    np.save(tmp_path / "x.npy", frames(0)[:6])
    built = api.build(model, tmp_path / "build", folding="balanced", frames=4)
    result = api.simulate(built.folder, stall=0.2)
    assert (result["verdict"], result["mismatches"]) == ("equal", 0)
    assert result["interval"] == built.manifest["interval"]
