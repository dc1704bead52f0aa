"""Two tensors of one node: put on edges of one shape, then added or multiplied exactly."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hwgen.frontends.geometry import image
from hwgen.frontends.lifted import Joint, Lifted, affine_of, is_uniform
from hwgen.frontends.sums import every_pair, integer_ratios, multipliers, staircase_of
from hwgen.frontends.thresholds import Function, is_identity
from hwgen.ir.chain import Chain
from hwgen.ops import Add, MatMul, Threshold, Upsample

if TYPE_CHECKING:
    from hwgen.frontends.lifter import Lifter

PAIRS = 1 << 20  # pairs of integers, times channels, of which every single one is evaluated
LARGEST = 1 << 20  # greatest multiplier of a sum
RANK = 1 << 10  # greatest multiplier of a sum that no quantizer follows
SCALES = "give both branches one scale, or scales in a ratio of small integers"


def aligned(lifter: Lifter, a: Lifted, b: Lifted) -> tuple[Lifted, Lifted]:
    """Both tensors of one shape, on edges of one shape, with element for element one index.

    A tensor that is one number per channel or per pixel is spread over the other.
    """
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError as error:
        raise lifter.call.error(f"its shapes do not fit: {error}", code="HW103") from None
    size = math.prod(shape)
    if size not in (a.index.size, b.index.size):
        raise lifter.call.error(f"both its inputs {a.shape} and {b.shape} are spread",
                                "spread one of them at most")  # fmt: skip
    a, b = lifter.imaged(lifter.placed(lifter.settled(a))), lifter.settled(b)
    b = lifter.imaged(lifter.placed(lifter.settled(b)))
    if a.index.size < size:
        b, a = aligned(lifter, b, a)
        return a, b
    a = replace(a, index=a.index.reshape(shape))
    if b.index.size < size and len(shape) in (3, 4) and lifter.channel_axis(a) is None:
        a, _ = lifter.fit(a, image(lifter.call, a))
    inverse = np.argsort(a.index, axis=None)
    want = np.broadcast_to(b.index, shape).ravel()[inverse].reshape(lifter.edge_shape(a))
    b = _spread(lifter, b, want) if b.index.size < size else _same(lifter, b, want)
    return a, replace(b, index=a.index)


def _same(lifter: Lifter, x: Lifted, want: np.ndarray) -> Lifted:
    return lifter.ordered(*lifter.fit(x, want))


def _spread(lifter: Lifter, x: Lifted, want: np.ndarray) -> Lifted:
    """``x`` repeated over the pixels or the channels of the edge that ``want`` describes."""
    shape = want.shape if want.ndim == 3 else (1, -1, want.shape[-1])
    image = want.reshape(shape)
    if (image == image[:1, :1]).all():
        x = _same(lifter, x, image[:1, :1])
        assert isinstance(x.edge, str)
        factor = (image.shape[0], image.shape[1])
        edge = lifter.emit(Upsample(factor), x.edge) if factor != (1, 1) else x.edge
        x = replace(x, edge=edge)
    elif (image == image[..., :1]).all():
        x = _same(lifter, lifter.grid(x), image[..., :1])
        assert isinstance(x.edge, str)
        x = replace(x, edge=lifter.emit(MatMul(np.ones((1, image.shape[2]), np.int64)), x.edge))
    else:
        raise lifter.call.error("an input is spread over some pixels and not over others")
    if want.ndim == 3:
        return x
    x = replace(x, index=np.arange(want.size))
    return lifter.fit(x, np.arange(want.size).reshape(want.shape))[0]


# The same integer twice


def common(lifter: Lifter, a: Lifted, b: Lifted) -> tuple[str, Chain, Chain] | None:
    """An edge of which both tensors are functions, and the functions."""
    for first in _views(lifter, a):
        for second in _views(lifter, b):
            if first[0] == second[0]:
                return first[0], first[1], second[1]
    return None


def _views(lifter: Lifter, x: Lifted) -> list[tuple[str, Chain]]:
    """The edge of ``x``, and the one that a Threshold makes it of."""
    assert isinstance(x.edge, str)
    views, node = [(x.edge, x.chain)], lifter.builder.node_of(x.edge)
    if node is not None and isinstance(node.op, Threshold):
        op = node.op
        sign = np.where(op.falling, -1.0, 1.0)
        add = op.base + np.where(op.falling, op.steps, 0.0)
        same = [v[0] if (v == v[0]).all() else v for v in (sign, add)]
        codes = Chain().then("count", thresholds=op.thresholds)
        codes = codes.then("affine", mul=same[0], add=same[1])
        views.append((node.inputs[0], Chain((*codes.steps, *x.chain.steps))))
    return views


def joined(lifter: Lifter, how: str, a: Lifted, b: Lifted) -> Lifted | None:
    """``a + b`` or ``a * b`` where both are functions of one integer, ``x * sigmoid(x)`` say."""
    found = common(lifter, a, b)
    if found is None:
        return None
    edge, first, second = found
    lifter.limits.check("nesting", max(first.depth, second.depth), where=lifter.call.where)
    lifter.limits.check("steps", first.size + second.size, where=lifter.call.where)
    chain = Chain().then("join", how=how, first=first, second=second)
    return Lifted(edge, a.index, chain, origin=(*a.origin, *b.origin, lifter.call.name))


# Sums


def added(lifter: Lifter, a: Lifted, b: Lifted) -> Lifted:
    """The sum, exact: it waits for the quantizer that says to what end."""
    a, b = aligned(lifter, a, b)
    same = joined(lifter, "add", a, b)
    if same is not None and affine_of(same.chain) is None:
        return same
    a, b = lifter.grid(a), lifter.grid(b)
    assert isinstance(a.edge, str) and isinstance(b.edge, str)
    joint = Joint(((a.edge, a.chain), (b.edge, b.chain)), lifter.call)
    return Lifted(joint, a.index, origin=(*a.origin, *b.origin, lifter.call.name))


def quantized_sum(lifter: Lifter, x: Lifted, function: Function, uniform: bool) -> str:
    """An edge of the codes that ``function`` makes of a sum's real numbers.

    They are those of float32 for every pair of integers where some multipliers give these, or else
    of the exact sum rounded once, which differs at rounding ties only.
    """
    joint = x.edge
    assert isinstance(joint, Joint)
    uniform = uniform and all(is_uniform(chain) for _, chain in joint.terms)
    pair = _pair(lifter, joint, 1 if uniform else lifter.edge_shape(x)[-1])
    if pair is not None:
        (e1, c1), (e2, c2) = joint.terms
        (m1, a1), (m2, a2) = affine_of(c1), affine_of(c2)  # type: ignore[misc]
        as_source, exactly = c1(pair[0]) + c2(pair[1]), m1 * pair[0] + m2 * pair[1] + (a1 + a2)
        for reals in (as_source, exactly):
            codes = function(reals.astype(np.float32))
            edge = sum_of_codes(lifter, (e1, e2), codes, x.origin)
            if edge is not None:
                return edge
    solid = solid_sum(lifter, replace(x, chain=Chain()))
    return lifter.staircase(solid, lambda q: function(solid.chain(q)), uniform)


def _pair(lifter: Lifter, joint: Joint, channels: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Every integer of the two edges ``(N1, 1, C)``, ``(1, N2, C)``; None where they are many."""
    if len(joint.terms) != 2:
        return None
    first, second = (lifter.builder.type(edge).range for edge, _ in joint.terms)
    if first.size * second.size * channels > PAIRS:
        return None
    q1, q2 = every_pair(first, second)
    return tuple(np.repeat(q[..., None], channels, axis=2) for q in (q1, q2))  # type: ignore[return-value]


def sum_of_codes(
    lifter: Lifter, edges: tuple[str, str], codes: np.ndarray, origin: tuple[str, ...]
) -> str | None:
    """An edge of ``codes`` ``(N1, N2, C)``, given for every pair of integers of two edges.

    None where they are no staircase over a weighted sum.
    """
    found = multipliers(codes)
    if found is None or max(map(abs, found)) > LARGEST:
        return None
    q1, q2 = every_pair(*(lifter.builder.type(edge).range for edge in edges))
    op = staircase_of(codes, found[0] * q1 + found[1] * q2)
    edge = lifter.emit(Add(found), *edges, origin=origin)
    if is_identity(op, lifter.builder.type(edge).range):
        return edge
    return lifter.emit(op, edge)


def _existing(lifter: Lifter, edges: tuple[str, ...], factors: tuple[int, ...]) -> str | None:
    """The edge of that very sum, where another reader has needed it: both then read one integer."""
    for node in lifter.builder.nodes():
        op = node.op
        if isinstance(op, Add) and node.inputs == edges and op.multipliers == factors:
            return None if op.offsets.any() else node.output
    return None


def solid_sum(lifter: Lifter, x: Lifted) -> Lifted:
    """The sum on an edge of its own, where the scales have a ratio of small integers: HW202."""
    joint = x.edge
    assert isinstance(joint, Joint)
    parts = [affine_of(chain) for _, chain in joint.terms]
    assert all(part is not None for part in parts)
    found = integer_ratios([part[0] for part in parts if part], RANK)
    if found is None:
        raise joint.call.error(
            "it adds two tensors whose scales have no ratio of small integers, and no quantizer of "
            "8-bit codes follows",
            SCALES + ", and quantize the sum",
        )
    factors, unit = found
    edges = tuple(edge for edge, _ in joint.terms)
    edge = _existing(lifter, edges, tuple(factors)) or lifter.emit(
        Add(tuple(factors)), *edges, origin=x.origin, name=joint.call.name
    )
    add = sum(part[1] for part in parts if part)
    chain = Chain().then("affine", mul=unit, add=add)
    return replace(x, edge=edge, chain=Chain((*chain.steps, *x.chain.steps)))
