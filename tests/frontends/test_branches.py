"""Networks that fork and join, drawn at random in every dialect: graph against onnxruntime."""

from __future__ import annotations

from collections import Counter

import pytest

from hwgen.core.errors import HwgenError
from hwgen.frontends import lift, source_of
from hwgen.ops import (
    Add,
    Concat,
    Conv,
    DepthwiseConv,
    Interleave,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    Slice,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from tests.frontends.compare import compared, drawn

pytest.importorskip("onnxruntime", reason="the oracle needs onnxruntime")
QUICK = range(150)
REFUSED = 0.05  # share of networks that may be, each for a reason of its own


@pytest.mark.parametrize("seed", QUICK)
def test_equal_to_onnxruntime(seed: int) -> None:
    assert not compared(seed).different


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 2000, 100))
def test_a_thousand_more(start: int) -> None:
    verdicts = [compared(seed) for seed in range(start, start + 100)]
    assert not [(v.seed, v.different) for v in verdicts if v.different]
    assert sum(bool(v.reasons) for v in verdicts) <= REFUSED * len(verdicts)


def test_the_generator_covers_what_it_promises_and_little_is_refused() -> None:
    ops, sources, dialects, refused = Counter(), Counter(), Counter(), 0
    ends = Counter()
    for seed in QUICK:
        net = drawn(seed)
        try:
            graph = lift(source_of(net.model))
        except HwgenError:
            refused += 1
            continue
        dialects[net.dialect] += 1
        ends["inputs"] += len(graph.inputs) > 1
        ends["outputs"] += len(graph.outputs) > 1
        ops.update({type(node.op) for node in graph.nodes})
        sources.update({node.op_type for node in net.model.graph.node})
    assert refused <= REFUSED * len(QUICK)
    assert min(dialects[d] for d in ("qonnx", "qdq", "qcdq", "qoperator")) > 20
    assert min(ends.values()) > 20
    wanted = {Add, Concat, Conv, DepthwiseConv, Interleave, Lookup, MatMul, MaxPool, Mul, Pad, Slice,
              SumPool, Threshold, Transpose, Upsample}  # fmt: skip
    assert min(ops[op] for op in wanted) >= 2, ops
    wanted = {"QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "QLinearAdd",
              "QLinearMul", "QLinearConcat", "QLinearAveragePool", "QLinearGlobalAveragePool",
              "QLinearSigmoid", "QLinearLeakyRelu", "ConvTranspose", "AveragePool", "ReduceMean",
              "Resize", "DepthToSpace", "Split", "Slice", "Pad", "Gelu", "HardSwish", "Sigmoid",
              "PRelu", "Sub", "Clip", "Transpose", "Flatten"}  # fmt: skip
    assert not {op for op in wanted if not sources[op]}
