"""Every shipped model at three foldings: built, simulated, equal, in the cycles promised."""

import pytest

from hwgen import api
from hwgen.core.resources import resource
from tests.system.conftest import needs_simulator

MODELS = sorted(resource("models").glob("*.onnx"))
QUICK = {("digits_mlp_w2a4", "balanced"), ("digits_cnn_w2a4", "balanced")}


def cases():
    for model in MODELS:
        for folding in ("serial", "balanced", "parallel"):
            slow = (model.stem, folding) not in QUICK
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(model, folding, marks=marks, id=f"{model.stem}-{folding}")


@needs_simulator
@pytest.mark.parametrize(("model", "folding"), list(cases()))
def test_build_and_simulate(model, folding, tmp_path):
    built = api.build(
        model, tmp_path / "build", folding=folding, frames=12, frames_file=model.with_suffix(".npz")
    )
    result = api.simulate(built.folder)
    assert (result["verdict"], result["mismatches"]) == ("equal", 0)
    assert result["frames"] > 12
    assert result["interval"] == built.manifest["interval"]


@needs_simulator
@pytest.mark.parametrize(
    ("net", "dsp", "dsps"),
    [
        ("digits_cnn_w2a4", "dsp48e1", 30),
        pytest.param("mnist_cnn_w8a8", "mult18x18", None, marks=pytest.mark.slow),
    ],
)
def test_build_and_simulate_with_dsps(net, dsp, dsps, tmp_path):
    model = resource("models") / f"{net}.onnx"
    built = api.build(model, tmp_path / "build", dsp=dsp, dsps=dsps, frames=4,
                      frames_file=model.with_suffix(".npz"), compare=0)  # fmt: skip
    used = [s for s in built.manifest["stages"] if dsp in s["lowering"]]
    assert used and 0 < sum(s["estimate"]["dsp"] for s in used) <= (dsps or 10**6)
    assert (
        f"{sum(s['estimate']['dsp'] for s in used)} DSP"
        in (built.folder / "reports" / "index.md").read_text()
    )
    result = api.simulate(built.folder)
    assert (result["verdict"], result["mismatches"]) == ("equal", 0)
    assert result["interval"] == built.manifest["interval"]
