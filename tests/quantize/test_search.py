"""Reports, searches and the automatic choice."""

import itertools
import math

import numpy as np
import pytest

from hwgen.budget import estimator
from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, run_source
from hwgen.passes import run_passes
from hwgen.quantization import command
from hwgen.quantize import Options, Session, post_training, quantize
from hwgen.quantize.auto import Trial, best
from hwgen.quantize.mixed import choose, noise, search_bytes
from hwgen.quantize.sqnr import compare, decibel, short, sqnr
from hwgen.schedule import schedule
from tests.quantize.nets import cnn, frames, model, node, residual, separable


def test_decibels():
    assert sqnr(np.full(5, 10.0), np.full(5, 9.0)) == pytest.approx(20)
    assert decibel(1, 0) == math.inf
    assert decibel(0, 1) == -math.inf
    assert short("a" * 100) == "a" * 18 + "..." + "a" * 18


def chain(rng: np.random.Generator, hostile: int, widths=(8, 8, 8, 8)):
    """Dense layers, in one of which a great weight multiplies next to nothing; and frames."""
    sizes = list(zip(widths[1:], widths[:-1], strict=True))
    arrays = {f"w{k}": rng.normal(0, 0.5, size) for k, size in enumerate(sizes)}
    arrays[f"w{hostile}"][:, 0] = 8.0
    nodes = []
    for k in range(len(sizes)):
        nodes += [node("Gemm", [f"x{k}", f"w{k}"], [f"c{k}"], f"fc{k}", transB=1)]
        nodes += [node("Relu", [f"c{k}"], [f"x{k + 1}"])]
    if hostile:
        arrays[f"w{hostile - 1}"][0] *= 1e-4
    last = len(sizes) - 1
    shapes = {"x0": (1, widths[0])}, {f"c{last}": (1, widths[-1])}
    source = model(nodes[:-1], *shapes, arrays)
    data = frames(rng, source, 64)
    if not hostile:
        data["x0"][:, 0] *= 1e-4
    return source, data


@pytest.mark.parametrize("hostile", [0, 1, 2])
def test_a_hostile_layer_is_named(hostile):
    source, data = chain(np.random.default_rng(0), hostile)
    _, report = post_training(source, 4, 8, data, "minmax")
    assert report.worst()[0].name == f"fc{hostile}"
    head, rows = report.table()
    assert dict(zip(head, rows[hostile], strict=True))["worst"] == "1"
    assert f"fc{hostile}" in report.summary().splitlines()[2]


def test_the_report_says_what_the_models_do():
    rng = np.random.default_rng(1)
    source = cnn(rng)
    data = frames(rng, source, 70)
    made, report = post_training(source, 4, 4, data)
    exact, found = (run_source(m, data)["y"] for m in (source, made))
    assert report.sqnr == pytest.approx(sqnr(exact, found), abs=1e-3)
    assert report.agreement == (exact.argmax(axis=1) == found.argmax(axis=1)).mean()
    assert report.layers[-1].sqnr == pytest.approx(report.sqnr)
    weights = 6 * 2 * 9 + 5 * 96
    assert (report.weight_bytes, report.float_bytes) == (weights // 2, weights * 4)
    assert [(x.wbits, x.abits) for x in report.layers] == [(4, 8), (4, 4)]
    assert report.as_dict()["worst"][0] == report.worst()[0].name
    assert all(x.sqnr_alone < x.sqnr_input + 10 for x in report.layers)


def test_a_softmax_at_the_end_is_looked_through():
    rng = np.random.default_rng(2)
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Softmax", ["m"], ["y"])]
    source = model(nodes, {"x": (1, 6)}, {"y": (1, 3)}, {"w": rng.normal(0, 3, (6, 3))})
    data = frames(rng, source, 30)
    made, report = post_training(source, 3, 4, data)
    exact, found = (run_source(m, data, ["m"])["m"] for m in (source, made))
    assert report.sqnr == pytest.approx(sqnr(exact, found), abs=1e-3)


def test_more_bits_cost_fewer_decibels():
    rng = np.random.default_rng(3)
    source = separable(rng)
    data = frames(rng, source, 32)
    ratios = [post_training(source, bits, bits, data)[1].sqnr for bits in (2, 4, 6, 8)]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 30


# Mixed precision


def total(table, bits):
    return sum(table[name][width] for name, width in bits.items())


def arbitrary(rng: np.random.Generator, layers: int):
    """Noise that falls with bits, and costs that mostly rise with them."""
    powers = rng.lognormal(0, 2, layers)
    curves = {f"l{k}": {b: p * 4.0**-b for b in (2, 3, 4, 5)} for k, p in enumerate(powers)}
    costs = {name: {b: float(b * rng.integers(20, 60)) for b in (2, 3, 4, 5)} for name in curves}
    return curves, costs


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_the_best_there_is(seed):
    curves, costs = arbitrary(np.random.default_rng(seed), 4)
    every = [dict(zip(curves, b, strict=True)) for b in itertools.product((2, 3, 4, 5), repeat=4)]
    least = min(total(costs, bits) for bits in every)
    for budget in (least, 1.1 * least, 1.5 * least, 2 * least, 9 * least):
        found = choose(curves, costs, budget)
        assert total(costs, found) <= budget
        best = min(total(curves, bits) for bits in every if total(costs, bits) <= budget)
        assert total(curves, found) == pytest.approx(best, rel=1e-12)
    with pytest.raises(HwgenError, match="HW110"):
        choose(curves, costs, least - 1)
    with pytest.raises(HwgenError, match="HW110"):
        choose(curves, costs, least, rest=1)


def test_more_budget_is_never_noisier(monkeypatch):
    """Where lists are thinned too; and nothing is chosen by chance."""
    monkeypatch.setattr("hwgen.quantize.mixed.GRAINS", 64)
    curves, costs = arbitrary(np.random.default_rng(5), 12)
    budgets = np.linspace(950, 3000, 60)
    found = [choose(curves, costs, budget) for budget in budgets]
    noises = [total(curves, bits) for bits in found]
    assert noises == sorted(noises, reverse=True) and len(set(noises)) > 20
    assert all(total(costs, b) <= budget for b, budget in zip(found, budgets, strict=True))
    monkeypatch.setattr("hwgen.quantize.mixed.GRAINS", 1 << 14)
    exact = [total(curves, choose(curves, costs, budget)) for budget in budgets]
    assert all(a <= b <= 1.5 * a for a, b in zip(exact, noises, strict=True))


def test_a_budget_is_kept_and_beats_even_widths():
    source, data = chain(np.random.default_rng(5), 1, (16, 16, 16, 16, 16))
    _, uniform = post_training(source, 4, 8, data, "minmax")
    budget = uniform.weight_bytes
    _, report = post_training(source, 4, 8, data, "minmax", budget_bytes=budget)
    assert report.weight_bytes <= budget
    assert max(report.layers, key=lambda layer: layer.wbits).name == "fc1"
    assert report.sqnr > uniform.sqnr + 2
    assert f"within {budget} bytes" in report.choices[0]


@pytest.mark.parametrize("build", [separable, residual])
def test_a_budget_of_luts_is_kept(build):
    """The sum of the layers' estimates is that of the whole design, at one interval."""
    rng = np.random.default_rng(8)
    source = build(rng)
    data, designs = frames(rng, source, 24), {}
    even = [
        sum(estimator(interval=400)(quantize(source, bits, 4, data)).values()) for bits in (2, 3, 4)
    ]
    for budget in even:
        made, report = post_training(source, 8, 4, data, budget_luts=int(budget),
                                     estimate=estimator(interval=400))  # fmt: skip
        design = schedule(run_passes(lift(made)), interval=400)
        assert design.interval <= 400
        assert design.total().lut <= int(budget)
        assert f"estimated at {design.total().lut} LUT" in report.choices[1]
        designs[budget] = report.sqnr
    assert list(designs.values()) == sorted(designs.values())
    assert designs[even[-1]] >= post_training(source, 4, 4, data)[1].sqnr
    with pytest.raises(HwgenError, match="HW110"):
        post_training(source, 8, 4, data, budget_luts=50, estimate=estimator(interval=400))


def test_noise_falls_with_bits():
    rng = np.random.default_rng(6)
    source = cnn(rng)
    options = Options()
    session = Session(source, frames(rng, source, 16), options)
    for curve in noise(session, options).values():
        assert list(curve.values()) == sorted(curve.values(), reverse=True)
    widths = search_bytes(session, 5, 200, options)
    assert {a for _, a in widths.values()} == {5}


# The automatic choice


def test_the_best_trial_agrees_most_and_then_errs_least():
    def trial(sqnr: float, agreement: float | None) -> Trial:
        return Trial(Options(), sqnr, agreement)

    assert best([trial(10, 0.9), trial(30, 0.6)], 100).sqnr == 10
    assert best([trial(10, 0.90), trial(30, 0.89)], 100).sqnr == 30
    assert best([trial(10, None), trial(30, None)], 100).sqnr == 30


def test_auto_is_no_worse_than_what_it_tried():
    rng = np.random.default_rng(7)
    source = separable(rng, uneven=3.0)
    data = frames(rng, source, 64)
    steps = []
    _, chosen = post_training(source, 3, 3, data, "auto", progress=steps.append)
    _, plain = post_training(source, 3, 3, data, "minmax")
    assert chosen.choices[0].startswith("chosen of 9 candidates: ")
    assert sum(line.startswith("tried ") for line in chosen.choices) == 8
    assert chosen.sqnr > plain.sqnr
    assert any(step.startswith("trying ") for step in steps)


def test_auto_refuses_too_few_frames():
    source = cnn(np.random.default_rng(8))
    with pytest.raises(HwgenError, match="HW112"):
        post_training(source, 4, 4, frames(np.random.default_rng(0), source, 3), "auto")


# Files


def test_the_command_reads_files(tmp_path):
    rng = np.random.default_rng(9)
    source = cnn(rng)
    (tmp_path / "net.onnx").write_bytes(source.model.SerializeToString())
    data = frames(rng, source, 8)["x"]
    np.save(tmp_path / "calib.npy", data)
    np.savez(tmp_path / "calib.npz", x=data)
    first, report = command(tmp_path / "net.onnx", tmp_path / "calib.npy", wbits=4, abits=4)
    second, _ = command(tmp_path / "net.onnx", tmp_path / "calib.npz", wbits=4, abits=4)
    assert first.data == second.data
    assert report.method == "mse"
    for calib, code in (("none.npy", "HW101"), ("net.onnx", "HW112")):
        with pytest.raises(HwgenError, match=code):
            command(tmp_path / "net.onnx", tmp_path / calib, wbits=4, abits=4)


def test_models_of_several_inputs_take_named_arrays(tmp_path):
    rng = np.random.default_rng(10)
    nodes = [
        node("MatMul", ["a", "w"], ["c"]), node("MatMul", ["b", "w"], ["d"]),
        node("Add", ["c", "d"], ["y"]),
    ]  # fmt: skip
    shapes = {"a": (1, 4), "b": (1, 4)}
    source = model(nodes, shapes, {"y": (1, 3)}, {"w": rng.normal(0, 1, (4, 3))})
    (tmp_path / "net.onnx").write_bytes(source.model.SerializeToString())
    data = frames(rng, source, 6)
    np.savez(tmp_path / "both.npz", **data)
    np.savez(tmp_path / "one.npz", a=data["a"])
    np.save(tmp_path / "array.npy", data["a"])
    _, report = command(tmp_path / "net.onnx", tmp_path / "both.npz", wbits=8, abits=8)
    assert report.sqnr > 30
    exact = compare(source, source, data, ["y"])
    assert exact[1] == math.inf
    for calib in ("one.npz", "array.npy"):
        with pytest.raises(HwgenError, match="HW112"):
            command(tmp_path / "net.onnx", tmp_path / calib, wbits=8, abits=8)
