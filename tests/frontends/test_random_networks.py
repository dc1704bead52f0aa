"""Nets nobody chose: the integer graph against the source model, element by element."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx import ModelProto, helper

from hwgen.frontends import lift, run_source, source_of
from hwgen.frontends.read import Source
from hwgen.frontends.tensors import attributes
from hwgen.ir.execute import run_frames
from hwgen.ops import Conv, MatMul, MaxPool, Threshold, TopK
from tests.frontends.networks import random_network

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
EXACT, ARBITRARY = range(120), range(1000, 1060)
NEAR = 1e-5  # how near to a rounding boundary float32 noise can decide, relative


def probed(model: ModelProto, probes: list[str]) -> Source:
    """The model with every activation quantizer an output."""
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(
        helper.make_empty_tensor_value_info(name)
        for name in probes
        if name != model.graph.output[0].name
    )
    return source_of(copy)


@pytest.mark.parametrize("seed", EXACT)
def test_dyadic_networks_are_equal_everywhere(seed: int) -> None:
    net = random_network(np.random.default_rng(seed))
    source = source_of(net.model)
    (output,) = source.outputs
    ours = run_frames(lift(source), net.frames)[output]
    theirs = run_source(source, net.frames)[output]
    assert ours.shape == theirs.shape
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("seed", EXACT[::4])
def test_every_quantizer_inside_is_equal(seed: int) -> None:
    net = random_network(np.random.default_rng(seed))
    source = probed(net.model, net.probes)
    ours, theirs = run_frames(lift(source), net.frames), run_source(source, net.frames)
    for name in source.outputs:
        assert np.array_equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("seed", ARBITRARY)
def test_arbitrary_scales_differ_only_in_rounding_ties(seed: int) -> None:
    """The first quantizer in which a frame differs must have stood at a rounding boundary."""
    net = random_network(np.random.default_rng(seed), exact=False)
    source = probed(net.model, net.probes)
    makers = {node.output[0]: node for node in source.nodes}
    before = [makers[name].input[0] for name in net.probes]
    ours = run_frames(lift(source), net.frames)
    theirs = run_source(source, net.frames, [*net.probes, *before])
    excused = np.zeros(len(net.frames["x"]), bool)
    for name, real in zip(net.probes, before, strict=True):
        # one code apart is a thousand times more than this allows the same code to round apart
        differs = ~np.isclose(ours[name], theirs[name], rtol=1e-6, atol=0)
        fresh = differs & ~excused.reshape(-1, *[1] * (differs.ndim - 1))
        distance = boundary_distance(source, makers[name], theirs[real])
        assert (distance[fresh] < NEAR).all(), f"{name}: {distance[fresh].max()}"
        excused |= differs.reshape(len(differs), -1).any(axis=1)
    assert excused.mean() < 0.5


def boundary_distance(source: Source, node, real: np.ndarray) -> np.ndarray:
    """How far, relatively, each element is from where the quantizer's output steps."""
    constants, attrs = source.constants, attributes(node)
    spread = np.abs(real).max() + 1e-30
    if node.op_type == "MultiThreshold":
        table = constants[node.input[1]].astype(np.float64)
        last = np.moveaxis(real, 1, -1)
        gap = np.abs(last[..., None] - table).min(axis=-1) / spread
        return np.moveaxis(gap, -1, 1)
    one_bit = node.op_type == "Quant" and constants[node.input[3]] == 1 and attrs["signed"]
    if node.op_type == "BipolarQuant" or one_bit:
        return np.abs(real) / spread
    scale = constants[node.input[1]].astype(np.float64)
    if node.op_type == "Trunc":
        return np.full(real.shape, np.inf)  # reads whole codes: no tie is possible
    code = real / scale + constants[node.input[2]]
    halves = attrs["rounding_mode"].upper() in ("ROUND", "HALF_EVEN", "HALF_UP", "HALF_DOWN")
    shifted = code + 0.5 if halves else code
    return np.abs(shifted - np.rint(shifted)) / np.maximum(1, np.abs(code).max())


def test_the_generator_covers_what_it_promises() -> None:
    ops, sources, traits = Counter(), Counter(), Counter()
    for seed in EXACT:
        net = random_network(np.random.default_rng(seed))
        graph = lift(source_of(net.model))
        ops.update(type(node.op) for node in graph.nodes)
        sources.update(node.op_type for node in net.model.graph.node)
        for node in graph.nodes:
            if isinstance(node.op, Threshold):
                traits["falling"] += bool(node.op.falling.any())
                traits["per channel"] += len(node.op.thresholds) > 1
            if isinstance(node.op, Conv):
                traits["padding code"] += node.op.pad_value != 0
                traits["dilation"] += node.op.dilation != (1, 1)
    assert {MatMul, Conv, MaxPool, Threshold, TopK} <= set(ops)
    wanted = {"Quant", "BipolarQuant", "Trunc", "MultiThreshold", "BatchNormalization", "Gemm",
              "GlobalMaxPool", "Clip", "Relu", "Transpose", "ArgMax", "TopK", "Gather"}  # fmt: skip
    assert wanted <= set(sources)
    assert min(traits[t] for t in ("falling", "per channel", "padding code", "dilation")) >= 3
