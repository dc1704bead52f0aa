"""What is exported is what was trained: codes and outputs are the same integers in hwgen."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from torch import nn

from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, run_source, source_of, widths
from hwgen.training import quantizers as q
from hwgen.training.a2q import A2Q
from hwgen.training.activations import LSQActivation
from hwgen.training.blocks import Concat, Residual
from hwgen.training.export import export, to_onnx
from hwgen.training.qgt import snap
from hwgen.training.sat import Rescaled, rescale
from tests.training.compare import compare, warm_up

MULTIBIT = ("dorefa", "dorefa-modified", "dorefa-centered", "lsq", "lsq-channel", "lsq+", "tqt")
WEIGHTS = {
    **{f"{n}-{b}": (lambda c, n=n, b=b: q.weight_quantizer(n, b, c))
       for n in MULTIBIT for b in (2, 4)},
    "dorefa-clip": lambda _: q.DoReFa(3, normalize="clip"),
    "binary": lambda _: q.Binary(), "binary-tensor": lambda _: q.Binary("tensor"),
    "xnor": lambda _: q.Binary("channel"), "ternary": lambda _: q.Ternary(),
    "sat": lambda _: Rescaled(q.DoReFa(2)), "sat-std": lambda _: Rescaled(q.LSQ(3), "std"),
    "a2q": lambda c: A2Q(4, c, inputs=4, accumulator=12),
    "a2q+": lambda c: A2Q(4, c, inputs=4, accumulator=10, plus=True),
}  # fmt: skip
ACTIVATIONS = {
    **{f"{n}-{b}": (lambda n=n, b=b: q.activation(n, b))
       for n in ("dorefa", "pact", "cg-pact", "lsq", "lsq+", "tqt", "hwgq", "n2uq")
       for b in (1, 2, 4)},
    "lsq-signed": lambda: LSQActivation(3, signed=True),
    "lsq+-free": lambda: LSQActivation(3, offset="free"),
    "tqt-signed": lambda: q.PowerOfTwoActivation(3, signed=True),
    "hwgq-zero": lambda: q.HWGQ(2, zero_bin=True),
    "sign": q.Sign, "step": q.Step,
}  # fmt: skip


def frames(*shape: int, n: int = 60) -> np.ndarray:
    return (np.random.default_rng(3).integers(0, 16, (n, *shape)) / 16).astype(np.float32)


def perceptron(weight, activation) -> nn.Sequential:
    net = nn.Sequential(
        q.FixedPoint(4, 1 / 16), nn.Linear(12, 9, bias=False), nn.BatchNorm1d(9), activation(),
        nn.Linear(9, 5),
    )  # fmt: skip
    for _, layer in list(q.weight_layers(net)):
        q.quantize_weight(layer, weight(layer.weight.shape[0]))
    return net


def convolutions(weight, activation) -> nn.Sequential:
    net = nn.Sequential(
        q.FixedPoint(4, 1 / 16), nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), activation(),
        nn.MaxPool2d(2), nn.Conv2d(5, 4, 3, stride=2, bias=False), nn.BatchNorm2d(4), activation(),
        nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    for _, layer in list(q.weight_layers(net)):
        q.quantize_weight(layer, weight(layer.weight.shape[0]))
    return net


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_weight_quantizer(name: str) -> None:
    x = frames(12)
    found = compare(warm_up(perceptron(WEIGHTS[name], lambda: q.CGPact(4, 3.0)), x), x)
    assert found.near <= 3
    x = frames(2, 8, 8)
    found = compare(warm_up(convolutions(WEIGHTS[name], lambda: q.CGPact(3, 3.0)), x), x)
    assert found.near <= 6


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_quantizer(name: str) -> None:
    x = frames(12)
    net = warm_up(perceptron(lambda c: q.LSQ(3, c), ACTIVATIONS[name]), x)
    assert compare(net, x).near <= 3
    padded = name not in ("sign", "lsq+-free")  # there zero has no code, and borders need one
    if padded:
        x = frames(2, 8, 8)
        net = warm_up(convolutions(lambda c: q.LSQ(3, c), ACTIVATIONS[name]), x)
        assert compare(net, x).near <= 6


def test_trained_networks_agree_as_well() -> None:
    x = frames(2, 8, 8)
    labels = torch.from_numpy((x.sum((1, 2, 3)) * 7).astype(np.int64) % 3)
    net = convolutions(lambda _: q.DoReFa(2), lambda: q.CGPact(2, 3.0))
    rescale(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net.train()(torch.from_numpy(x)), labels).backward()
        optimizer.step()
    assert compare(net, x).near <= 6


def test_snapped_weights() -> None:
    x = frames(12)
    net = nn.Sequential(q.FixedPoint(4, 1 / 16), nn.Linear(12, 9), nn.BatchNorm1d(9),
                        q.CGPact(4, 3.0), nn.Linear(9, 5))  # fmt: skip
    snap(net, {"1": 2, "4": 3})
    assert compare(warm_up(net, x), x).near <= 3


def test_the_source_model_computes_the_same_floats() -> None:
    pytest.importorskip("onnxruntime", reason="the source model runs in onnxruntime")
    x = frames(2, 8, 8)
    net = warm_up(convolutions(lambda _: q.DoReFa(3, "centered"), lambda: q.N2UQ(2)), x)
    theirs = run_source(source_of(to_onnx(net, (2, 8, 8))), {"x": x})["y"]
    with torch.no_grad():
        ours = net.eval()(torch.from_numpy(x)).numpy()
    different = (np.abs(ours - theirs) > 1e-4).any(1)
    assert different.sum() <= 1  # a frame whose sum rounds to the other side of a threshold


@pytest.mark.parametrize(("weight", "bits"), [
    (lambda _: q.DoReFa(2), 3), (lambda _: q.DoReFa(4, "modified"), 4),
    (lambda _: q.DoReFa(2, "centered"), 3), (lambda _: q.Binary(), 1), (lambda _: q.Ternary(), 2),
    (lambda _: q.LSQ(2), 2),
])  # fmt: skip
def test_widths_in_hardware(weight, bits: int) -> None:
    """Odd grids take a bit more than their number of levels says."""
    net = perceptron(weight, lambda: q.CGPact(2))
    found = widths(lift(source_of(to_onnx(net, (12,)))))
    assert [w for _, w, _ in found] == [bits, bits]


def test_residual_blocks_are_written() -> None:
    body = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2))
    net = nn.Sequential(q.FixedPoint(4, 1 / 16), Residual(body), q.CGPact(4))
    q.quantize_weight(body[0], q.LSQ(4))
    ops = [node.op_type for node in to_onnx(net, (2, 4, 4)).graph.node]
    assert ops == ["Quant", "Quant", "Conv", "BatchNormalization", "Add", "Quant"]


@pytest.mark.parametrize("last", [lambda: LSQActivation(4), lambda: LSQActivation(8),
                                  lambda: q.CGPact(2, 3.0), lambda: q.N2UQ(3)])  # fmt: skip
def test_sums_of_unrelated_scales(last) -> None:
    """A quantizer behind the sum: hwgen orders all pairs of codes as it does."""

    def block(channels: int) -> Residual:
        body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
                             LSQActivation(4, signed=True))  # fmt: skip
        return Residual(body)

    x = frames(2, 8, 8)
    net = nn.Sequential(
        q.FixedPoint(4, 1 / 16), nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), q.CGPact(4, 3.0),
        block(3), last(), nn.Flatten(), nn.Linear(108, 3),
    )  # fmt: skip
    for _, layer in list(q.weight_layers(net)):
        q.quantize_weight(layer, q.LSQ(3))
    assert compare(warm_up(net, x), x).near <= 6


def test_concatenated_branches() -> None:
    x = frames(2, 8, 8)
    step = q.FixedPoint(4, 1 / 8)
    branches = Concat(nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), step),
                      nn.Sequential(nn.Conv2d(2, 2, 1), q.FixedPoint(4, 1 / 8)))  # fmt: skip
    net = nn.Sequential(q.FixedPoint(4, 1 / 16), branches, nn.Conv2d(5, 2, 3), nn.BatchNorm2d(2),
                        q.CGPact(4, 3.0), nn.Flatten(), nn.Linear(72, 3))  # fmt: skip
    for _, layer in list(q.weight_layers(net)):
        q.quantize_weight(layer, q.LSQ(4))
    assert compare(warm_up(net, x), x).near <= 6


QONNX_READS = {"lsq": ("lsq", "lsq"), "sat": ("dorefa", "cg-pact"), "tqt": ("tqt", "tqt"),
               "xnor": ("xnor", "sign"), "n2uq": ("lsq", "n2uq"), "ternary": ("ternary", "hwgq"),
               "lsq+": ("lsq+", "lsq+")}  # fmt: skip


@pytest.mark.parametrize("name", QONNX_READS)
def test_qonnx_computes_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file means to QONNX's own executor what it means here."""
    pytest.importorskip("qonnx", reason="QONNX's executor")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    # It hands each node to onnxruntime in the newest format, which may be too new for that.
    monkeypatch.setattr("onnx.IR_VERSION", 8)
    weight, active = QONNX_READS[name]
    one = name == "xnor"
    x = frames(12)
    net = warm_up(perceptron(lambda c: q.weight_quantizer(weight, 1 if one else 2, c),
                             lambda: q.activation(active, 1 if one else 2)), x)  # fmt: skip
    model = ModelWrapper(to_onnx(net, (12,))).transform(InferShapes())
    with torch.no_grad():
        ours = net.eval()(torch.from_numpy(x)).numpy()
    theirs = np.concatenate([execute_onnx(model, {"x": frame[None]})["y"] for frame in x[:20]])
    far = np.abs(ours[:20] - theirs).max(1) > 1e-4
    assert far.sum() <= 1  # a frame whose sum rounds to the other side of a threshold


def code_of(net: nn.Module, shape: tuple[int, ...], path) -> str:
    with pytest.raises(HwgenError) as caught:
        export(net, shape, path)
    assert not path.exists()
    return caught.value.problems[0].code


def test_what_cannot_be_exported(tmp_path) -> None:
    path = tmp_path / "x.onnx"
    assert code_of(nn.Sequential(nn.Linear(3, 2)), (3,), path) == "HW203"
    assert code_of(nn.Sequential(nn.GELU()), (3,), path) == "HW202"
    assert code_of(nn.Sequential(), (3,), path) == "HW206"
    unstarted = q.LSQActivation(2)
    assert code_of(nn.Sequential(unstarted), (3,), path) == "HW203"
    broken = nn.Sequential(q.quantize_weight(nn.Linear(3, 2), q.LSQ(2)))
    broken[0].parametrizations["weight"].original.data[0, 0] = torch.nan
    assert code_of(broken, (3,), path) == "HW104"
    clamped = nn.Sequential(q.quantize_weight(nn.Linear(3, 2), q.DoReFa(None)))
    assert code_of(clamped, (3,), path) == "HW203"


def test_training_mode_is_left_as_it_was_and_bytes_repeat(tmp_path) -> None:
    net = perceptron(lambda _: q.LSQ(2), lambda: q.CGPact(2)).train()
    export(net, (12,), tmp_path / "a.onnx")
    first = (tmp_path / "a.onnx").read_bytes()
    export(net, (12,), tmp_path / "a.onnx")
    assert net.training and (tmp_path / "a.onnx").read_bytes() == first
