"""Where the elements of a tensor are: edges of the graph, and how one gets the shape it needs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.core.limits import DEFAULT, Limits
from hwgen.core.window import Window
from hwgen.frontends.call import Call
from hwgen.frontends.lifted import Feed, Joint, Lifted, per_pixel, rechannel, shrink
from hwgen.frontends.radix import as_transpose
from hwgen.ir.chain import Chain
from hwgen.ir.graph import GraphBuilder, Port
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.ops import DepthToSpace, MatMul, Reshape, Slice, SpaceToDepth, Transpose

WIDEST = 62  # bits of an integer: sums and differences of two of them still fit the reference's


@dataclass
class Layout:
    """The part of a lifting that moves elements. Every edge of the graph is made by ``emit``."""

    builder: GraphBuilder
    limits: Limits = DEFAULT
    call: Call = field(init=False)
    folded: int = 0
    arranged: int = 0
    links: int = 0

    def account(self, elements: int) -> None:
        """Note that folding makes so many numbers. Raises HW106 where all together are too many."""
        self.folded += elements
        self.limits.check("folded", self.folded, where=self.call.where)

    def emit(self, op: Op, *values: str, origin: Iterable[str] = (), name: str = "") -> str:
        """Add a node named after the current source node, or ``name``."""
        try:
            if isinstance(window := getattr(op, "window", None), Window):
                self.survey(window, self.builder.type(values[0]).shape)
            origin = dict.fromkeys((*origin, self.call.name))
            edge = self.builder.add(op, values, name=name or self.call.name, origin=origin)
        except ValueError as error:
            raise self.call.error(str(error)) from None
        type_ = self.builder.type(edge)
        if type_.range.width > WIDEST:
            raise self.call.error(f"its integers take {type_.range.width} bits, more than {WIDEST}",
                                  "put a quantizer before it")  # fmt: skip
        self.links += len(values)
        self.limits.check("links", self.links, where=self.call.where)
        self.limits.check("tensor", type_.size, where=self.call.where)
        self.limits.check("work", op.macs(*map(self.builder.type, values)), where=self.call.where)
        self.arrange(type_.size)
        return edge

    def survey(self, window: Window, shape: tuple[int, ...]) -> None:
        """Bound what a window over an image takes: HW106. Raises ValueError where it does not fit."""
        top, left, bottom, right = window.padding
        padded = (shape[0] + top + bottom) * (shape[1] + left + right) * shape[2]
        self.limits.check("tensor", padded, where=self.call.where)
        seen = math.prod((*window.output_shape(shape), *window.kernel, shape[2]))
        self.limits.check("work", seen, where=self.call.where)

    def arrange(self, elements: int) -> None:
        """Note one more tensor, or index into one. Raises HW106 where all have too many elements."""
        self.arranged += elements
        self.limits.check("frame", self.arranged, where=self.call.where)

    # What an edge is

    def edge_shape(self, x: Lifted) -> tuple[int, ...]:
        match x.edge:
            case Feed():
                return (x.edge.size,)
            case Joint():
                return self.builder.type(x.edge.terms[0][0]).shape
        return self.builder.type(x.edge).shape

    def edge_range(self, x: Lifted) -> IntRange | None:
        """The integers of the edge; None where it has none yet, but real numbers."""
        match x.edge:
            case Feed():
                return x.edge.range
            case Joint():
                return None
        return self.builder.type(x.edge).range

    def integers(self, x: Lifted) -> IntRange:
        """The range of the edge; a tensor that is still the real input is refused: HW203."""
        range_ = self.edge_range(x)
        if range_ is None:
            raise self.call.error(
                "the model's input reaches it as real numbers",
                "put a quantizer on the input, or state its fixed-point format",
                "HW203",
            )
        return range_

    def pointwise(self, x: Lifted) -> None:
        """Refuse a tensor whose elements depend on more than one integer each."""
        if any(step.kind == "softmax" for step in x.chain.steps):
            raise self.call.error("a softmax stands before it", "end the model at the softmax")

    # How it changes

    def rearranged(self, x: Lifted, edge: str, order: np.ndarray) -> Lifted:
        """``x`` on ``edge``, whose element ``i`` is element ``order[i]`` of the old edge."""
        self.pointwise(x)
        old = self.edge_shape(x)
        inverse = np.empty(math.prod(old), np.int64)
        inverse[order.ravel()] = np.arange(order.size)
        channel = np.broadcast_to(np.arange(old[-1]), old).ravel()[order]
        chain = rechannel(x.chain, channel)
        if per_pixel(chain):
            raise self.call.error("a constant before it differs between the pixels of a channel")
        return replace(x, edge=edge, index=inverse[x.index], chain=chain)

    def settled(self, x: Lifted) -> Lifted:
        """``x`` on the edge of its feed, if another reader of the same feed has made one."""
        if isinstance(x.edge, Feed) and x.edge.value is not None:
            assert x.edge.order is not None
            return self.rearranged(x, x.edge.value, x.edge.order)
        return x

    def placed(self, x: Lifted) -> Lifted:
        """``x`` on an edge of the graph; an image's channels are put last, a vector stays."""
        if isinstance(x.edge, Feed):
            image = len(x.shape) in (3, 4) and x.shape[0] == 1
            want = np.moveaxis(x.index[0], 0, -1) if image else x.index.ravel()
            x, _ = self.fit(x, want[None] if want.ndim == 2 else want)
        return x

    def fit(self, x: Lifted, want: np.ndarray) -> tuple[Lifted, np.ndarray]:
        """``x`` on an edge of the shape of ``want``, and a permutation of its channels.

        Channel ``permutation[c]`` of a pixel of the new edge holds the old edge's element
        ``want[pixel, c]``. Takes a Reshape, a Transpose, a move of blocks between pixels and
        channels or, on a model input, nothing at all.
        """
        channels = want.shape[-1]
        if isinstance(x.edge, Feed):
            return self._place(x, want), np.arange(channels)
        rows = want.reshape(-1, channels)
        permutation = rows[0]
        plain = np.arange(want.size).reshape(-1, 1, channels)[:, 0]
        if np.array_equal(np.sort(permutation), np.arange(channels)) and np.array_equal(
            rows, plain[:, permutation]
        ):
            return self._reshaped(x, want.shape), permutation
        assert isinstance(x.edge, str)
        for axes in itertools.permutations(range(want.ndim)):
            before = tuple(want.shape[axes.index(axis)] for axis in range(want.ndim))
            if np.array_equal(np.arange(want.size).reshape(before).transpose(axes), want):
                x = self._reshaped(x, before)
                assert isinstance(x.edge, str)
                edge = self.emit(Transpose(axes), x.edge)
                return self.rearranged(x, edge, want), np.arange(channels)
        for op in _block_moves(self.edge_shape(x), want.shape):
            positions = np.arange(want.size).reshape(1, *self.edge_shape(x))
            if np.array_equal(op.reference(positions)[0], want):
                return self.rearranged(x, self.emit(op, x.edge), want), np.arange(channels)
        if (found := as_transpose(want)) is not None:
            before, axes = found
            edge = self._reshaped(replace(x, chain=Chain()), before).edge
            edge = self.emit(Transpose(axes), str(edge))
            edge = self.emit(Reshape(want.shape), edge)
            return self.rearranged(x, edge, want), np.arange(channels)
        raise self.call.error(
            "its input is laid out in an order that no reshape, transpose or move of blocks gives",
            "remove reshapes that mix pixels with channels",
        )

    def _reshaped(self, x: Lifted, shape: tuple[int, ...]) -> Lifted:
        if self.edge_shape(x) == shape:
            return x
        order = np.arange(math.prod(shape)).reshape(shape)
        if isinstance(x.edge, Joint):
            terms = [self._reshaped(Lifted(edge, order, chain), shape)
                     for edge, chain in x.edge.terms]  # fmt: skip
            joint = Joint(tuple((t.edge, t.chain) for t in terms), x.edge.call)  # type: ignore[misc]
            return replace(self.rearranged(x, "", order), edge=joint)
        assert isinstance(x.edge, str)
        return self.rearranged(x, self.emit(Reshape(shape), x.edge), order)

    def _place(self, x: Lifted, want: np.ndarray) -> Lifted:
        """Make the graph input of a feed, laid out as ``want``."""
        feed = x.edge
        assert isinstance(feed, Feed)
        range_ = self.integers(x)
        inverse = np.empty(want.size, np.int64)
        inverse[want.ravel()] = np.arange(want.size)
        feed.value, feed.order = self.builder.fresh(feed.name), want
        batched = len(feed.shape) > 1
        port = Port(
            feed.name, feed.value, feed.shape[1:] if batched else feed.shape,
            inverse.reshape(feed.shape[1:] if batched else feed.shape),
            rechannel(feed.chain, want), feed.dtype,
        )  # fmt: skip
        self.builder.input(TensorType(want.shape, range_), port)
        return self.settled(x)

    def pixels(self, x: Lifted, axis: int) -> tuple[Lifted, np.ndarray]:
        """``x`` on an edge whose channels run along ``axis`` of the tensor, one row per pixel."""
        moved = np.moveaxis(x.index, axis, -1)
        want = moved.reshape(-1, moved.shape[-1])
        shape = self.edge_shape(x)
        if len(want) == 1:
            return self.fit(x, want[0])
        if not isinstance(x.edge, Feed) and shape[-1] == want.shape[1]:
            return self.fit(x, want.reshape(shape))
        return self.fit(x, want[None])

    def channel_axis(self, x: Lifted) -> int | None:
        """The axis of the tensor along which the channels of its edge run; None where none does."""
        if isinstance(x.edge, Feed):
            return 1
        channel = x.index % self.edge_shape(x)[-1]
        for axis in range(1, len(x.shape)):
            row = channel[
                tuple(slice(None) if i == axis else slice(1) for i in range(x.index.ndim))
            ]
            if (channel == row).all() and len(np.unique(row)) == row.size:
                return axis
        return None

    def imaged(self, x: Lifted) -> Lifted:
        """An image on a flat edge gets one of its shape, where a Reshape is enough for that."""
        if len(x.shape) not in (3, 4) or x.shape[0] != 1 or len(self.edge_shape(x)) != 1:
            return x
        want = np.moveaxis(x.index[0], 0, -1)
        rows = want.reshape(-1, want.shape[-1])
        plain = np.arange(want.size).reshape(rows.shape)[:, :1]
        fits = isinstance(x.edge, str) and x.index.size == self.edge_shape(x)[0]
        whole = np.sort(rows - plain, axis=1) == np.arange(rows.shape[1])
        if not fits or not whole.all() or (rows - plain != rows[:1]).any():
            return x
        return self._reshaped(x, want.shape if want.ndim == 3 else (1, *want.shape))

    def ordered(self, x: Lifted, permutation: np.ndarray) -> Lifted:
        """``x``, whose channel ``c`` is wanted at ``c`` and stands at ``permutation[c]``, in order.

        A product with a permutation matrix moves them.
        """
        count = len(permutation)
        if np.array_equal(permutation, np.arange(count)):
            return x
        assert isinstance(x.edge, str)
        weight = np.zeros((count, count), np.int64)
        weight[permutation, np.arange(count)] = 1
        every = np.arange(math.prod(self.edge_shape(x))).reshape(self.edge_shape(x))
        return self.rearranged(x, self.emit(MatMul(weight), x.edge), every[..., permutation])

    def part(self, x: Lifted, index: np.ndarray) -> Lifted:
        """``x`` on an edge that holds the elements of ``index`` alone: a part of ``x``'s."""
        before, x = x.index, self.imaged(self.placed(x))
        where = np.empty(before.size, np.int64)
        where[before.ravel()] = x.index.ravel()
        index, shape = where[index], self.edge_shape(x)
        if index.size == math.prod(shape):
            return replace(x, index=index)
        places = np.unravel_index(index.ravel(), shape)
        kept = [np.flatnonzero(np.bincount(place)) for place in places]
        steps = [int(np.diff(k).max(initial=1)) for k in kept]
        even = all((np.diff(k) == s).all() for k, s in zip(kept, steps, strict=True))
        if not even or math.prod(map(len, kept)) != index.size:
            if len(x.shape) in (3, 4) and x.shape[0] == 1:
                want = np.moveaxis(x.index[0], 0, -1)
                y, _ = self.fit(x, want if want.ndim == 3 else want[None])
                if y.edge != x.edge:
                    where[x.index.ravel()] = y.index.ravel()
                    return self.part(y, where[index])
            raise self.call.error("the part that it takes is no regular grid of its input's edge")
        op = Slice(tuple(int(k[0]) for k in kept), tuple(int(k[-1]) + 1 for k in kept),
                   tuple(steps))  # fmt: skip
        order = op.reference(np.arange(math.prod(shape)).reshape(1, *shape))[0]
        assert isinstance(x.edge, str)
        return self.rearranged(replace(x, index=index), self.emit(op, x.edge), order)

    def constants(self, x: Lifted, *arrays: np.ndarray) -> tuple[Lifted, list[np.ndarray]]:
        """ONNX constants as constants of the chain: scalars, or one number per channel.

        Where one differs between the pixels of a channel, ``x`` is put on a flat edge, whose
        elements are all channels. A constant that enlarges the tensor is refused.
        """
        try:
            shape = np.broadcast_shapes(x.shape, *(a.shape for a in arrays))
        except ValueError as error:
            raise self.call.error(f"its shapes do not fit: {error}", code="HW103") from None
        if np.prod(shape) != x.index.size:
            raise self.call.error(f"a constant broadcasts {x.shape} to {shape}")
        x = replace(x, index=x.index.reshape(shape))

        def mapped() -> list[np.ndarray | None]:
            def one(array: np.ndarray) -> np.ndarray | None:
                flat = np.empty(x.index.size, array.dtype)
                flat[x.index.ravel()] = np.broadcast_to(array, shape).ravel()
                edge = self.edge_shape(x)
                return shrink(flat.reshape(edge), edge)

            return [a.reshape(()) if a.size == 1 else one(a) for a in arrays]

        values = mapped()
        if any(value is None for value in values):
            x = self._reshaped(x, (x.index.size,))
            values = mapped()
        return x, [np.asarray(value) for value in values]


def _block_moves(
    old: tuple[int, ...], new: tuple[int, ...]
) -> Iterator[DepthToSpace | SpaceToDepth]:
    """Moves of blocks between pixels and channels that make an image of another shape."""
    if len(old) != 3 or len(new) != 3:
        return
    for kind, large, small in ((DepthToSpace, new, old), (SpaceToDepth, old, new)):
        block, rest = divmod(large[0], small[0])
        if not rest and block > 1 and large[1] == block * small[1]:
            yield from (kind(block, mode) for mode in ("DCR", "CRD"))
