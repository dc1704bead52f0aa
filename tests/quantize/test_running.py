"""The quantized model run part by part: the integers are those of running it whole, every time."""

import numpy as np
import pytest

from hwgen.frontends import run_source
from hwgen.frontends.annotate import insert_quantizers
from hwgen.frontends.float_net import FloatNet
from hwgen.quantize import Options, Session, running
from tests.quantize.nets import cnn, frames, model, node, residual, separable


def shapeless(rng: np.random.Generator):
    """A residual block whose middle has no batch axis, and a layer without a bias behind it."""
    arrays = {
        "w0": rng.normal(0, 1, (4, 6)), "w1": rng.normal(0, 1, (6, 4)), "flat": np.array([24]),
        "back": np.array([1, 24]), "w2": rng.normal(0, 1, (24, 3)), "twice": np.full(24, 2.0),
    }  # fmt: skip
    nodes = [
        node("MatMul", ["x", "w0"], ["a"], "first"), node("Relu", ["a"], ["r"]),
        node("MatMul", ["r", "w1"], ["b"], "second"), node("Add", ["b", "x"], ["s"]),
        node("Reshape", ["s", "flat"], ["v"]), node("Mul", ["v", "twice"], ["m"]),
        node("Reshape", ["m", "back"], ["f"]), node("MatMul", ["f", "w2"], ["y"], "last"),
    ]  # fmt: skip
    return model(nodes, {"x": (1, 6, 4)}, {"y": (1, 3)}, arrays)


class Whole:
    """The same by running the whole model up to each tensor."""

    def __init__(self, net, quantizers, data):
        self.net, self.quantizers, self.data = net, quantizers, data

    def reach(self, tensor):
        if tensor in self.data:
            return self.data[tensor]
        model = insert_quantizers(self.net.source(), self.quantizers)
        return run_source(model, self.data, [tensor])[tensor]


@pytest.mark.parametrize("build", [cnn, separable, residual, shapeless])
@pytest.mark.parametrize("method", ["aciq", "adaround"])
def test_part_by_part_gives_the_same_integers(build, method, monkeypatch):
    rng = np.random.default_rng(0)
    source = build(rng)
    data = frames(rng, source, 20)
    options = Options(method, bias_correction=True, sequential=True)
    made = Session(source, data, options).run(3, 3, options)
    monkeypatch.setattr("hwgen.quantize.ptq.Running", Whole)
    whole = Session(source, data, options).run(3, 3, options)
    for name, codes in made.codes.items():
        np.testing.assert_array_equal(codes.codes, whole.codes[name].codes)
        np.testing.assert_array_equal(made.shifts[name], whole.shifts[name])
    alone = Session(source, data, options).run(3, 3, Options(method, bias_correction=True))
    assert any((alone.shifts[n] != shift).any() for n, shift in made.shifts.items())


def test_each_node_runs_once_and_nothing_is_kept_for_long(monkeypatch):
    source = residual(np.random.default_rng(1))
    data, ran = frames(np.random.default_rng(1), source, 8), []

    def watched(model, *args):
        ran.extend(n.name or n.output[0] for n in model.nodes if n.op_type != "Quant")
        return run_source(model, *args)

    monkeypatch.setattr(running, "run_source", watched)
    net = FloatNet(source)
    runner = running.Running(net, {}, data)
    for layer in net.layers():
        runner.reach(layer.x)
    assert sorted(ran) == sorted({n.name or n.output[0] for n in net.nodes} - {"fc"})
    assert set(runner._known) == {net.layers()[-1].x}
