"""The state of one lifting, and what handlers may do to tensors: lay out, quantize, emit."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.core.limits import DEFAULT, Limits
from hwgen.frontends.call import Call
from hwgen.frontends.lifted import (
    Feed,
    Lifted,
    affine_of,
    rechannel,
    shrink,
)
from hwgen.frontends.thresholds import (
    Function,
    NotMonotoneError,
    TooFineError,
    codes_of,
    discharge,
    is_identity,
    sample,
)
from hwgen.ir.chain import Chain
from hwgen.ir.graph import GraphBuilder, Port
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.ops import Reshape, Threshold, Transpose

RISING = "use a rising activation such as ReLU"
RECODINGS = range(1, 9)  # by how much codes may be stretched so that zero gets a code
SMALL = 1 << 12  # largest range over which a function between two grids is tabulated


@dataclass
class Lifter:
    """Handlers build through this: every edge of the graph is made by one of its methods."""

    builder: GraphBuilder
    limits: Limits = DEFAULT
    call: Call = field(init=False)
    folded: int = 0

    def account(self, elements: int) -> None:
        """Note that folding makes so many numbers. Raises HW106 where all together are too many."""
        self.folded += elements
        self.limits.check("folded", self.folded, where=self.call.where)

    # What an edge is

    def edge_shape(self, x: Lifted) -> tuple[int, ...]:
        return (x.edge.size,) if isinstance(x.edge, Feed) else self.builder.type(x.edge).shape

    def edge_range(self, x: Lifted) -> IntRange | None:
        """The integers of the edge; None where the tensor is still the model's real input."""
        return x.edge.range if isinstance(x.edge, Feed) else self.builder.type(x.edge).range

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

    def emit(self, op: Op, *values: str, origin: Iterable[str] = (), name: str = "") -> str:
        """Add a node named after the current source node, or ``name``."""
        try:
            origin = dict.fromkeys((*origin, self.call.name))
            edge = self.builder.add(op, values, name=name or self.call.name, origin=origin)
        except ValueError as error:
            raise self.call.error(str(error)) from None
        self.limits.check("tensor", self.builder.type(edge).size, where=self.call.where)
        return edge

    def pointwise(self, x: Lifted) -> None:
        """Refuse a tensor whose elements depend on more than one integer each."""
        if any(step.kind == "softmax" for step in x.chain.steps):
            raise self.call.error("a softmax stands before it", "end the model at the softmax")

    # Layout

    def rearranged(self, x: Lifted, edge: str, order: np.ndarray) -> Lifted:
        """``x`` on ``edge``, whose element ``i`` is element ``order[i]`` of the old edge."""
        self.pointwise(x)
        old = self.edge_shape(x)
        inverse = np.empty(order.size, np.int64)
        inverse[order.ravel()] = np.arange(order.size)
        channel = np.broadcast_to(np.arange(old[-1]), old).ravel()[order]
        chain = rechannel(x.chain, channel)
        for step in chain.steps:
            rank = 2 if step.kind == "count" else 1
            if any(np.ndim(v) > rank for v in step.args.values() if not isinstance(v, str)):
                raise self.call.error(
                    "a constant before it differs between the pixels of a channel"
                )
        return replace(x, edge=edge, index=inverse[x.index], chain=chain)

    def settled(self, x: Lifted) -> Lifted:
        """``x`` on the edge of its feed, if another reader of the same feed has made one."""
        if isinstance(x.edge, Feed) and x.edge.value is not None:
            assert x.edge.order is not None
            return self.rearranged(x, x.edge.value, x.edge.order)
        return x

    def fit(self, x: Lifted, want: np.ndarray) -> tuple[Lifted, np.ndarray]:
        """``x`` on an edge of the shape of ``want``, and a permutation of its channels.

        Channel ``permutation[c]`` of a pixel of the new edge holds the old edge's element
        ``want[pixel, c]``. Takes a Reshape, a Transpose or, on a model input, nothing at all.
        """
        if isinstance(x.edge, Feed):
            return self._place(x, want), np.arange(want.shape[-1])
        channels = want.shape[-1]
        rows = want.reshape(-1, channels)
        permutation = rows[0]
        plain = np.arange(want.size).reshape(-1, 1, channels)[:, 0]
        if np.array_equal(np.sort(permutation), np.arange(channels)) and np.array_equal(
            rows, plain[:, permutation]
        ):
            return self._reshaped(x, want.shape), permutation
        for axes in itertools.permutations(range(want.ndim)):
            before = tuple(want.shape[axes.index(axis)] for axis in range(want.ndim))
            if np.array_equal(np.arange(want.size).reshape(before).transpose(axes), want):
                x = self._reshaped(x, before)
                assert isinstance(x.edge, str)
                edge = self.emit(Transpose(axes), x.edge)
                return self.rearranged(x, edge, want), np.arange(channels)
        raise self.call.error(
            "its input is laid out in an order that neither a reshape nor a transpose gives",
            "remove reshapes that mix pixels with channels",
        )

    def _reshaped(self, x: Lifted, shape: tuple[int, ...]) -> Lifted:
        if self.edge_shape(x) == shape:
            return x
        assert isinstance(x.edge, str)
        edge = self.emit(Reshape(shape), x.edge)
        return self.rearranged(x, edge, np.arange(x.index.size).reshape(shape))

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

    # Quantizers

    def quantize(
        self, x: Lifted, steps: Chain, range_: IntRange | None, mul: Any, add: Any
    ) -> Lifted:
        """The output of a quantizer ``steps`` on ``x``; a code ``q`` stands for ``mul*q + add``.

        ``range_`` bounds the codes; None leaves the bound to what can be reached.
        """
        if any(step.kind == "softmax" for step in x.chain.steps):
            raise self.call.error(
                "softmax stands before a quantizer", "end the model at the softmax"
            )
        decode = Chain().then("affine", mul=mul, add=add)
        whole = Chain((*x.chain.steps, *steps.steps))
        if isinstance(x.edge, Feed):
            if range_ is None:
                raise self.call.error(
                    "nothing bounds its codes", "quantize the model's input first"
                )
            feed = replace(x.edge, chain=Chain((*x.edge.chain.steps, *whole.steps)), range=range_)
            return Lifted(feed, x.index, decode)
        edge = self.staircase(x, codes_of(whole))
        return Lifted(edge, x.index, decode)

    def staircase(self, x: Lifted, function: Function) -> str:
        """An edge with ``function`` of each integer of ``x``'s edge: a Threshold, or nothing.

        Two in a row become one.
        """
        assert isinstance(x.edge, str)
        producer = self.builder.node_of(x.edge)
        inner = producer.op if producer and isinstance(producer.op, Threshold) else None
        source = producer.inputs[0] if producer and inner else x.edge
        type_ = self.builder.type(source)
        try:
            direct = discharge(function, self.builder.type(x.edge).range, type_.channels)
            if is_identity(direct, self.builder.type(x.edge).range):
                return x.edge
            op = discharge(function, type_.range, type_.channels, inner) if inner else direct
        except TooFineError as error:
            raise self.call.error(str(error), "quantize to 8 bits or fewer") from None
        except NotMonotoneError as error:
            raise self.call.error(
                f"{error}: no threshold table stands for the functions up to here", RISING, "HW204"
            ) from None
        if producer and inner:
            origin = (*producer.origin, *x.origin)
            return self.emit(op, source, origin=origin, name=producer.name)
        return self.emit(op, source, origin=x.origin)

    def grid(self, x: Lifted) -> Lifted:
        """``x`` with an affine chain: the tensor's values are ``m*q + a``.

        A pending function that maps the grid of the codes into itself, as ReLU does, becomes a
        Threshold. Values on no grid are refused: HW203.
        """
        self.pointwise(x)
        range_ = self.integers(x)
        if affine_of(x.chain) is not None:
            return x
        known = affine_of(Chain(x.chain.steps[:1]))
        m, a = known if known is not None else (np.float64(1), np.float64(0))
        if range_.size <= SMALL and (m != 0).all():
            q = np.arange(range_.lo, range_.hi + 1)[:, None]
            width = self.edge_shape(x)[-1]
            y = np.broadcast_to(x.chain(np.broadcast_to(q, (len(q), width))), (len(q), width))
            codes = np.rint((y - a) / m)
            if np.array_equal((m * codes + a).astype(np.float32), y.astype(np.float32)):
                return self._regridded(
                    x, np.asarray(m), np.asarray(a), codes.astype(np.int64), range_
                )
        raise self.call.error(
            f"its input has met no quantizer: {x.chain}",
            "quantize every tensor that feeds a matrix product or convolution",
            "HW203",
        )

    def _regridded(
        self, x: Lifted, m: np.ndarray, a: np.ndarray, codes: np.ndarray, range_: IntRange
    ) -> Lifted:
        decode = Chain().then("affine", mul=m, add=a)
        if isinstance(x.edge, Feed):
            inside = IntRange.of_array(codes)
            chain = x.edge.chain
            for step in x.chain.steps:
                chain = chain.then(step.kind, **step.args)
            chain = chain.then("quantize", scale=m, zero=-a / m, lo=inside.lo, hi=inside.hi,
                               rounding="ROUND")  # fmt: skip
            feed = replace(x.edge, chain=chain, range=inside)
            return Lifted(feed, x.index, decode)

        def function(q: np.ndarray) -> np.ndarray:
            row = q.clip(range_.lo, range_.hi) - range_.lo
            return np.take_along_axis(codes, row.reshape(-1, q.shape[-1]), axis=0)

        return Lifted(self.staircase(x, function), x.index, decode)

    def recode(self, x: Lifted, times: int, plus: int) -> Lifted:
        """The same tensor on an edge that holds ``times * code + plus``; ``x`` must be affine."""
        found = affine_of(x.chain)
        assert found is not None
        m, a = found[0] / times, found[1] - found[0] * plus / times
        decode = Chain().then("affine", mul=m, add=a)
        if isinstance(x.edge, Feed) and x.edge.range is not None:
            feed = x.edge
            ends = [times * end + plus for end in (feed.range.lo, feed.range.hi)]  # type: ignore[union-attr]
            chain = feed.chain.then("affine", mul=times, add=plus)
            return Lifted(replace(feed, chain=chain, range=IntRange(*ends)), x.index, decode)
        return Lifted(self.staircase(x, lambda q: times * q + plus), x.index, decode)

    def directions(self, x: Lifted) -> np.ndarray:
        """Per channel of the edge: 1 where the chain never falls, -1 where it never rises.

        A chain that does both is refused: HW204.
        """
        self.pointwise(x)
        range_, width = self.integers(x), self.edge_shape(x)[-1]
        q = sample(range_)[:, None]
        y = np.broadcast_to(x.chain(np.broadcast_to(q, (len(q), width))), (len(q), width))
        steps = np.diff(y, axis=0)
        rises, falls = (steps > 0).any(axis=0), (steps < 0).any(axis=0)
        if (rises & falls).any():
            c = int(np.flatnonzero(rises & falls)[0])
            raise self.call.error(f"the function before it rises and falls in channel {c}",
                             "use a rising activation such as ReLU", "HW204")  # fmt: skip
        return np.where(falls, -1, 1)
