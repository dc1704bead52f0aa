"""ONNX operators that join, part, frame and repeat tensors: Concat, Split, Slice, Pad, Resize."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hwgen.frontends.call import Call, handles
from hwgen.frontends.convolutions import ZERO
from hwgen.frontends.folding import slices_of
from hwgen.frontends.geometry import image, tensor_of_image
from hwgen.frontends.joints import RANK
from hwgen.frontends.lifted import Joint, Lifted, Tensor, affine_of
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.sums import integer_ratios
from hwgen.ir.chain import Chain, Step
from hwgen.ops import Concat, Pad


@handles("Concat")
def concat(lifter: Lifter, call: Call) -> Tensor:
    tensors = [call.lifted(i, integer=True) for i in range(len(call.inputs))]
    return concatenated(lifter, call, tensors, call.attrs.get("axis", 1))


def concatenated(lifter: Lifter, call: Call, tensors: list[Lifted], axis: int) -> Lifted:
    """Tensors side by side along ``axis``; each keeps its own scale, per channel."""
    if len(tensors) == 1:
        return tensors[0]
    rank = len(tensors[0].shape)
    outer = {np.delete(np.array(x.shape), axis).tobytes() for x in tensors if len(x.shape) == rank}
    if not -rank <= axis < rank or len(outer) > 1 or any(len(x.shape) != rank for x in tensors):
        raise call.error(f"shapes {[x.shape for x in tensors]} make no whole along {axis}",
                         code="HW103")  # fmt: skip
    if len({x.dtype for x in tensors}) > 1:
        raise call.error("its inputs are of different types", code="HW103")
    lead = tuple(size for size in np.moveaxis(tensors[0].index, axis, -1).shape[:-1] if size > 1)
    pixels = lead if len(lead) == 2 else (1, math.prod(lead)) if lead else ()
    beside = [axis % rank] != [*{lifter.channel_axis(x) for x in tensors}]
    tensors = _comparable(lifter, tensors, beside)
    parts, places, start = [], [], 0
    for x in map(lifter.settled, tensors):
        want = np.moveaxis(x.index, axis, -1).reshape(*pixels, -1)
        x, permutation = lifter.fit(lifter.settled(x), want)
        parts.append(x)
        places.append(start + permutation)
        start += len(permutation)
    parts, chain = _one_chain(lifter, parts)
    edge = lifter.emit(Concat(), *(str(x.edge) for x in parts),
                       origin=[name for x in parts for name in x.origin])  # fmt: skip
    order = np.moveaxis(np.empty(_joined_shape(tensors, axis), bool), axis, -1).shape
    index = np.arange(math.prod(pixels))[:, None] * start + np.concatenate(places)
    y = Lifted(edge, np.moveaxis(index.reshape(order), -1, axis), chain, tensors[0].dtype)
    if rank in (3, 4) and tensors[0].shape[0] == 1 and beside:
        y, _ = lifter.fit(y, image(call, y))
    return y


def _comparable(lifter: Lifter, tensors: list[Lifted], beside: bool) -> list[Lifted]:
    """The tensors on codes of which 0 stands for zero, where that stands for different numbers.

    Where they go ``beside`` one another, pixels by pixels, they get one scale as well.
    """
    affine = [None if isinstance(x.edge, Joint) else affine_of(x.chain) for x in tensors]
    if None in affine or any(lifter.edge_range(x) is None for x in tensors):
        return tensors
    scales = [m for m, _ in affine if m.all()]  # type: ignore[misc]
    if len(scales) < len(affine):
        return tensors
    zeros = np.concatenate([np.unique(a / m) for m, a in affine])  # type: ignore[misc]
    one = beside and all(m.size == 1 for m in scales) and integer_ratios(scales, RANK)
    factors = one[0] if one else [1] * len(tensors)
    differ = len({*factors}) > 1 or len({*zeros.tolist()}) > 1
    if not differ or len(zeros) > len(tensors) or (zeros != np.rint(zeros)).any():
        return tensors
    tensors = [lifter.zeroed(x) for x in tensors]
    return [lifter.recode(x, k, 0) if k != 1 else x for x, k in zip(tensors, factors, strict=True)]


def _joined_shape(tensors: list[Lifted], axis: int) -> tuple[int, ...]:
    shape = list(tensors[0].shape)
    shape[axis] = sum(x.shape[axis] for x in tensors)
    return tuple(shape)


def _one_chain(lifter: Lifter, parts: list[Lifted]) -> tuple[list[Lifted], Chain]:
    """The parts, perhaps on other edges, and one chain for all their channels."""
    widths = [lifter.edge_shape(x)[-1] for x in parts]
    chain = side_by_side([x.chain for x in parts], widths)
    if chain is not None:
        return parts, chain
    parts = [lifter.grid(x) for x in parts]
    affine = []
    for x in parts:
        m, a = affine_of(x.chain)  # type: ignore[misc]
        affine.append(Chain().then("affine", mul=m, add=a))
    chain = side_by_side(affine, widths)
    assert chain is not None
    return parts, chain


def side_by_side(chains: list[Chain], widths: list[int]) -> Chain | None:
    """One chain that is each of ``chains`` on its run of channels; None where steps differ."""
    if len({tuple(step.kind for step in chain.steps) for chain in chains}) > 1:
        return None
    steps = []
    for same in zip(*(chain.steps for chain in chains), strict=True):
        args = {}
        for name, value in same[0].args.items():
            values = [step.args[name] for step in same]
            if any(isinstance(v, (str, Chain)) for v in values):
                if any(v is not value and v != value for v in values):
                    return None
                args[name] = value
                continue
            args[name] = _run(values, widths, 2 if same[0].kind == "count" else 1)  # type: ignore[arg-type]
            if args[name] is None:
                return None
        steps.append(Step(same[0].kind, args))
    return Chain(tuple(steps))


def _run(values: list[np.ndarray], widths: list[int], rank: int) -> np.ndarray | None:
    """Constants of several chains one after another, or one where all are equal."""
    if all(np.array_equal(v, values[0]) for v in values) and np.size(values[0]) == 1:
        return values[0]
    if any(np.ndim(v) > rank or (rank == 2 and v.shape[1] != values[0].shape[1]) for v in values):
        return None
    wide = [np.broadcast_to(v, (width, *np.shape(v)[1:]))
            for v, width in zip(values, widths, strict=True)]  # fmt: skip
    return np.concatenate(wide)


@handles("Split")
def split(lifter: Lifter, call: Call) -> tuple[Tensor | None, ...]:
    x, axis, count = call.lifted(integer=True), call.attrs.get("axis", 0), len(call.needed)
    if not -len(x.shape) <= axis < len(x.shape):
        raise call.error(f"axis {axis} for a tensor of rank {len(x.shape)}", code="HW103")
    size = x.shape[axis]
    sizes = call.attrs.get("split")
    if call.get(1) is not None:
        sizes = [int(n) for n in np.ravel(call.constant(1, "split"))]
    if sizes is None:
        each = -(-size // call.attrs.get("num_outputs", count))
        sizes = [min(each, size - start) for start in range(0, size, each)]
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 1:
        raise call.error(f"{size} elements do not split into {sizes}", code="HW103")
    x = lifter.placed(lifter.settled(x))
    cuts = np.split(x.index, np.cumsum(sizes)[:-1], axis=axis)
    pairs = zip(cuts, call.needed, strict=True)
    return tuple(lifter.part(x, cut) if needed else None for cut, needed in pairs)


@handles("Slice")
def slice_(lifter: Lifter, call: Call) -> Tensor:
    x = call.lifted(integer=True)
    index = x.index[slices_of(call, x.shape)]
    if not index.size:
        raise call.error("it takes nothing of its input", code="HW103")
    return replace(x, index=index) if index.size == x.index.size else lifter.part(x, index)


@handles("Gather")
def gather(lifter: Lifter, call: Call) -> Tensor:
    x, indices = call.lifted(integer=True), call.constant(1, "indices").astype(np.int64)
    axis = call.attrs.get("axis", 0)
    if not -len(x.shape) <= axis < len(x.shape):
        raise call.error(f"axis {axis} for a tensor of rank {len(x.shape)}", code="HW103")
    size = x.index.size // x.shape[axis] * indices.size
    lifter.limits.check("tensor", size, where=call.where)
    index = np.take(x.index, indices, axis=axis)
    if len(np.unique(index)) < index.size:
        raise call.error("it takes an element more than once")
    return replace(x, index=index) if index.size == x.index.size else lifter.part(x, index)


@handles("Pad")
def pad(lifter: Lifter, call: Call) -> Tensor:
    x = call.lifted(integer=True)
    before, after, value = _borders(call, len(x.shape))
    if not any((*before, *after)):
        return x
    if min(*before, *after) < 0:
        raise call.error("it pads by a negative amount", "use Slice to take a part")
    if call.attrs.get("mode", "constant") != "constant":
        raise call.error(f"it pads in mode {call.attrs['mode']}", "pad with a constant")
    if len(x.shape) == 2 and x.shape[0] == 1:
        y = _padded(lifter, x.layout(lambda i: i[:, :, None, None]), (*before, 0, 0),
                    (*after, 0, 0), value)  # fmt: skip
        return y.layout(lambda i: i[:, :, 0, 0])
    if len(x.shape) == 3:
        y = _padded(lifter, x.layout(lambda i: i[:, :, None]), (*before[:2], 0, before[2]),
                    (*after[:2], 0, after[2]), value)  # fmt: skip
        return y.layout(lambda i: i[:, :, 0])
    return _padded(lifter, x, before, after, value)


def _borders(call: Call, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], float]:
    """How much is put before and after each axis, and what."""
    pads, value = call.attrs.get("pads") or call.attrs.get("paddings"), call.attrs.get("value", 0.0)
    if call.get(1) is not None:
        pads = [int(n) for n in np.ravel(call.constant(1, "pads"))]
    if call.get(2) is not None:
        value = float(np.ravel(call.constant(2, "value"))[0])
    axes = list(range(rank))
    if call.get(3) is not None:
        axes = axes_of(call, np.ravel(call.constant(3, "axes")), rank)
    if pads is None or len(pads) != 2 * len(axes):
        raise call.error(f"pads {pads} for {len(axes)} axes", code="HW103")
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[i + len(axes)]
    return tuple(before), tuple(after), value


def axes_of(call: Call, axes: Iterable[int], rank: int) -> list[int]:
    """``axes``, each counted from the first."""
    found = [int(axis) for axis in axes]
    if any(not -rank <= axis < rank for axis in found):
        raise call.error(f"axes {tuple(found)} for a tensor of rank {rank}", code="HW103")
    return [axis % rank for axis in found]


def _padded(
    lifter: Lifter, x: Lifted, before: tuple[int, ...], after: tuple[int, ...], value: float
) -> Lifted:
    """A tensor (1, C, H, W) with ``value`` around it."""
    if len(x.shape) != 4 or before[0] or after[0]:
        raise lifter.call.error(f"it pads a tensor {x.shape} or its batch")
    x, code = lifter.coded(lifter.grid(x), value, ZERO)
    x, permutation = lifter.fit(x, image(lifter.call, x))
    if before[1] or after[1]:
        x, permutation = lifter.ordered(x, permutation), np.arange(len(permutation))
    op = Pad((before[2], before[3], after[2], after[3]), code, (before[1], after[1]))
    assert isinstance(x.edge, str)
    edge = lifter.emit(op, x.edge, origin=x.origin)
    chain = x.chain
    if before[1] or after[1]:
        chain = _with_channels(chain, before[1], after[1])
    index = tensor_of_image(lifter.builder.type(edge).shape, 4)
    if not (before[1] or after[1]):
        index = index[:, :1] + permutation.reshape(1, -1, 1, 1)
    return replace(x, edge=edge, index=index, chain=chain)


def _with_channels(chain: Chain, before: int, after: int) -> Chain:
    """An affine chain for more channels, whose first and last take after its own ends."""
    m, a = affine_of(chain)  # type: ignore[misc]
    wide = [np.pad(v, (before, after), mode="edge") if v.ndim else v for v in (m, a)]
    return Chain().then("affine", mul=wide[0], add=wide[1])
