"""Accumulators never need more bits than promised, and the promise is tight."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-train")
import torch
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.errors import HwgenError
from hwgen.core.intrange import IntRange
from hwgen.frontends import lift, source_of
from hwgen.ops.matmul import accumulator_range
from hwgen.training import quantizers as q
from hwgen.training.a2q import A2Q, norm_bound, penalty
from hwgen.training.export import to_onnx


def test_the_bounds_of_the_papers() -> None:
    assert norm_bound(12, 4) == 2047 / 16
    assert norm_bound(12, 4, signed=True) == 2047 / 8
    assert norm_bound(12, 4, plus=True) == 4094 / 15


@given(seed=st.integers(0, 10**6), bits=st.integers(2, 8), inputs=st.integers(1, 8),
       accumulator=st.integers(6, 24), plus=st.booleans(), signed=st.booleans(),
       spread=st.floats(1e-3, 1e3), offset=st.floats(-10, 10),
       terms=st.integers(1, 200))  # fmt: skip
def test_no_input_overflows(seed, bits, inputs, accumulator, plus, signed, spread, offset, terms):
    if norm_bound(accumulator, inputs, signed=signed, plus=plus) < 1 or (plus and signed):
        return
    rng = torch.Generator().manual_seed(seed)
    w = torch.randn(3, terms, generator=rng) * spread + offset
    quantizer = A2Q(bits, 3, inputs=inputs, accumulator=accumulator, signed=signed, plus=plus)
    quantizer(w)
    with torch.no_grad():  # wherever training may take steps and norms
        quantizer.log_step += torch.randn(3, generator=rng) * 4
        quantizer.log_norm += torch.randn(3, generator=rng) * 4 + 4
    codes = quantizer.integers(w).codes.numpy()
    made = accumulator_range(codes.T, IntRange.of_bits(inputs, signed=signed))
    assert (made | IntRange(-1, 0)).width <= accumulator
    assert np.abs(codes).max() < 2 ** (bits - 1)


@pytest.mark.parametrize("plus", [False, True])
def test_the_promise_is_nearly_used_up(plus: bool) -> None:
    """With a norm at its cap, a bit less would overflow on some input."""
    w = torch.randn(4, 400)
    quantizer = A2Q(8, 4, inputs=4, accumulator=16, plus=plus)
    quantizer(w)
    with torch.no_grad():
        quantizer.log_norm += 20
    codes = quantizer.integers(w).codes.numpy()
    norm = np.abs(codes).sum(1).max() / norm_bound(16, 4, plus=plus)
    assert 0.5 < norm <= 1
    if plus:  # A2Q's own bound leaves half of the range unused: both signs have a share
        assert accumulator_range(codes.T, IntRange(0, 15)).width == 16


def test_values_and_gradients() -> None:
    w = torch.tensor([[0.9, -0.31, 0.05, 0.44]], dtype=torch.float64, requires_grad=True)
    quantizer = A2Q(4, 1, inputs=2, accumulator=12).double()
    y = quantizer(w)  # its norm is far from the bound: the plain weight, truncated
    step = 0.9 / 7
    want = np.trunc(w.detach().numpy() / step * (1 - 2.0**-16))
    assert np.allclose(y.detach().numpy(), want * step)
    with torch.no_grad():
        quantizer.log_norm += 10
    quantizer(w).sum().backward()
    assert quantizer.log_norm.grad is None or float(quantizer.log_norm.grad.abs().sum()) == 0
    excess = 10 + np.log2(1.7) - np.log2(step) - np.log2(2047 / 4)
    layer = q.quantize_weight(torch.nn.Linear(4, 1).double(), quantizer)
    assert np.isclose(float(penalty(layer).detach()), max(excess, 0))


def test_the_importer_infers_the_promised_width() -> None:
    layer = torch.nn.Linear(60, 8)
    net = torch.nn.Sequential(q.FixedPoint(4, 1 / 16), layer)
    q.quantize_weight(layer, A2Q(4, 8, inputs=4, accumulator=9, plus=True))
    graph = lift(source_of(to_onnx(net, (60,))))
    assert graph.type(graph.nodes[0].output).range.width <= 9
    q.quantize_weight(layer, q.LSQ(4))
    graph = lift(source_of(to_onnx(net, (60,))))
    assert graph.type(graph.nodes[0].output).range.width > 9


def test_mistakes() -> None:
    with pytest.raises(HwgenError, match="HW110"):
        A2Q(4, 1, inputs=8, accumulator=8)
    with pytest.raises(HwgenError, match="HW110"):
        A2Q(4, 1, inputs=8, accumulator=18, signed=True, plus=True)
