"""Networks as Brevitas and torchao export them; ``exported/make.py`` says how they were made."""

from pathlib import Path

import numpy as np
import pytest

from hwgen.frontends import read_model
from hwgen.frontends.compare import compare
from hwgen.frontends.importer import trace, widths
from hwgen.ir.execute import run_frames
from hwgen.passes import run_passes

EXPORTED = Path(__file__).parent / "exported"
WIDTHS = {
    "brevitas_qonnx": [(4, 8), (3, 4), (4, 3)], "brevitas_qcdq": [(4, 8), (3, 4), (4, 3)],
    "torchao_pt2e": [(8, 8)] * 3, "torchao_pt2e_per_channel": [(8, 8)] * 3,
}  # fmt: skip


def test_every_export_is_tested():
    assert {path.stem for path in EXPORTED.glob("*.onnx")} == set(WIDTHS)


@pytest.mark.parametrize("name", WIDTHS)
def test_the_integers_are_those_of_pytorch(name):
    """The outputs are integers times a scale, and so are PyTorch's, but for float32 sums."""
    source = read_model(EXPORTED / f"{name}.onnx")
    lifting = trace(source)
    graph = run_passes(lifting.graph)
    assert [(w, a) for _, w, a in widths(graph)] == WIDTHS[name]
    with np.load(EXPORTED / f"{name}.npz") as stored:
        x, exact = stored["x"], stored["y"]
    (given,), (port,) = graph.inputs, graph.outputs
    (codes,) = run_frames(graph, {given.name: x}, raw=True).values()
    zero, one = (port.from_edge(np.full((1, *exact.shape[1:]), k), raw=False) for k in (0, 1))
    found = (exact - zero) / (one - zero)
    np.testing.assert_array_equal(codes, np.rint(found))
    assert np.abs(found - np.rint(found)).max() < 1e-3, "they stand on the grid"
    beside = compare(source, lifting, graph, {given.name: x}).plain()
    assert beside["differ"] == 0 and len(beside["rows"]) >= 2
