"""`sim`, `run` and `synth`: the same integers from every engine, measured beside estimated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hwgen.core.codes import CODES
from hwgen.frontends import lift, read_model, run_source
from hwgen.ir.execute import run_frames
from hwgen.passes import run_passes
from tests.frontends.test_random_networks import NEAR, boundary_distance, probed
from tests.system.conftest import MODEL, MODELS, SHIPPED, Command


def test_sim(built: Path, hwgen: Command) -> None:
    outcome = hwgen("sim", built, "--frames", 5, "--stall", 0.5, "--seed", 9)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("12/12 frames bit-exact")
    result = hwgen("sim", built, "--json").json()
    manifest = json.loads((built / "manifest.json").read_text())
    assert result["verdict"] == "equal"
    assert result["interval"] == result["expected_interval"] == manifest["interval"]
    assert result["latency"] <= manifest["latency"]
    assert json.loads((built / "sim/result.json").read_text()) == result


def test_sim_finds_a_wrong_weight(built: Path, hwgen: Command, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "b")
    memory = tmp_path / "b/mem/qlinear5_weights.mem"
    words = memory.read_text().splitlines()
    flipped = [f"{int(word, 16) ^ 1:0{len(word)}x}" for word in words]
    memory.write_text("\n".join(flipped) + "\n")
    outcome = hwgen("sim", tmp_path / "b")
    assert outcome.code == CODES["HW501"].exit == 1
    assert "error[HW501]" in outcome.err
    assert "the first layer that differs is stage qlinear5" in outcome.err
    assert all(word in outcome.err for word in ("frame", "position", "expected", "got"))
    assert not outcome.out


@pytest.mark.parametrize("raw", [False, True])
def test_hardware_and_reference_are_interchangeable(
    built: Path, frames: Path, hwgen: Command, tmp_path: Path, raw: bool
) -> None:
    results = []
    for engine in ("reference", "rtl"):
        out = tmp_path / f"{engine}.npy"
        outcome = hwgen("run", built, "--input", frames, "--output", out, "--engine", engine,
                        *["--raw"] * raw)  # fmt: skip
        assert outcome.code == 0, outcome.err
        results.append(np.load(out))
        assert f"25x10 {results[-1].dtype}" in outcome.out
    np.testing.assert_array_equal(*results)
    assert results[0].dtype == results[1].dtype == (np.int64 if raw else np.float32)


# Frames whose integers differ from the source model's, of all that are shipped: in each, float32
# noise decides a rounding tie in front of an activation quantizer.
TIES = {"digits_cnn_w2a4": 0, "digits_mlp_w2a4": 0, "mnist_bnn_w1a1": 0, "mnist_cnn_w8a8": 1}


@pytest.mark.parametrize("name", SHIPPED)
def test_source_model_gives_the_same_integers(name: str, hwgen: Command, tmp_path: Path) -> None:
    """Its logits are float32 sums of scaled products: the integers are what they stand for."""
    model, frames = MODELS / f"{name}.onnx", MODELS / f"{name}.npz"
    results = {}
    for engine, *more in (("reference", "--raw"), ("reference",), ("onnx",)):
        out = tmp_path / "y.npy"
        outcome = hwgen("run", model, "--input", frames, "--output", out, "--engine", engine, *more)
        assert outcome.code == 0, outcome.err
        results[(engine, *more)] = np.load(out)
    integers, ours, theirs = results.values()
    assert ours.dtype == theirs.dtype == np.float32
    assert ours.shape == theirs.shape == integers.shape
    graph = run_passes(lift(read_model(model)))
    (step,) = graph.outputs[0].chain.steps
    scale, offset = np.float64(step.args["mul"]), np.float64(step.args["add"])
    codes = np.rint((theirs.astype(np.float64) - offset) / scale)
    different = (codes != integers).any(axis=1)
    assert different.sum() == TIES[name]
    np.testing.assert_array_equal(ours, (integers * scale + offset).astype(np.float32))
    assert (decided_by_noise(model, frames)[different]).all()


def decided_by_noise(model: Path, frames: Path) -> np.ndarray:
    """For each frame, whether the first quantizer that differs stood at a rounding boundary."""
    source = read_model(model)
    makers = {node.output[0]: node for node in source.nodes}
    of_constants = set(source.constants)
    probes = [
        name for name, node in makers.items()
        if node.op_type in ("Quant", "BipolarQuant") and node.input[0] not in of_constants
    ]  # fmt: skip
    before = [makers[name].input[0] for name in probes[1:]]  # the first reads the frame itself
    with np.load(frames) as stored:
        x = {source.inputs[0]: stored["x"]}
    theirs = run_source(source, x, [*probes, *before])
    ours = run_frames(lift(probed(source.model, probes)), x)
    excused = np.zeros(len(x[source.inputs[0]]), bool)
    assert np.array_equal(ours[probes[0]], theirs[probes[0]])
    for name, real in zip(probes[1:], before, strict=True):
        differs = ~np.isclose(ours[name], theirs[name], rtol=1e-6, atol=0)
        fresh = differs & ~excused.reshape(-1, *[1] * (differs.ndim - 1))
        assert (boundary_distance(source, makers[name], theirs[real])[fresh] < NEAR).all(), name
        excused |= differs.reshape(len(differs), -1).any(axis=1)
    return excused


def test_run_takes_a_model_or_its_build(
    built: Path, frames: Path, hwgen: Command, tmp_path: Path
) -> None:
    for target, out in ((MODEL, "a.npy"), (built, "b.npy")):
        assert hwgen("run", target, "--input", frames, "--output", tmp_path / out).code == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_synth_prints_what_it_measured_beside_the_estimate(hwgen: Command, tmp_path: Path) -> None:
    built = tmp_path / "b"
    hwgen("build", MODEL, "--folding", "serial", "--frames", 1, "-o", built)
    found = hwgen("synth", built, "--tool", "yosys-ecp5", "--json")
    assert found.code == 0, found.err
    measured = found.json()
    report = json.loads((built / "synth/yosys-ecp5/report.json").read_text())
    assert {key: measured[key] for key in report} == report
    for kind in ("lut", "ff", "dsp"):
        total = sum(usage[kind] for usage in measured["stages"].values())
        assert measured["total"][kind] == total
    stages = [s["name"] for s in json.loads((built / "manifest.json").read_text())["stages"]]
    assert set(measured["estimates"]) == {*stages, "", "total"}
    assert set(measured["stages"]) == {*stages, ""}
    outcome = hwgen("synth", built, "--tool", "yosys-ecp5")
    words = [line.split() for line in outcome.out.splitlines()]
    assert [line[0] for line in words[1:-1]] == [*stages, "between", "total"]
    assert words[-2][1:3] == [str(measured["total"]["lut"]), str(measured["total"]["ff"])]
