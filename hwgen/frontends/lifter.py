"""The state of one lifting, and how handlers quantize tensors in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.frontends.joints import quantized_sum, solid_sum
from hwgen.frontends.layout import Layout
from hwgen.frontends.lifted import Feed, Joint, Lifted, affine_of, is_uniform
from hwgen.frontends.thresholds import (
    Function,
    NotMonotoneError,
    TooFineError,
    codes_of,
    discharge,
    is_identity,
    runs_of,
    sample,
    tabulated,
)
from hwgen.ir.chain import Chain
from hwgen.ops import Lookup, Threshold
from hwgen.ops.lookup import LARGEST as LOOKUP

RISING = "use a rising activation such as ReLU"
RECODINGS = range(1, 9)  # by how much codes may be stretched so that zero gets a code
SMALL = 1 << 12  # largest range over which a function between two grids is tabulated


class Rounding(NamedTuple):
    """A quantizer that was lifted: the real numbers ``x``, what rounds them, and the codes."""

    x: Lifted
    steps: Chain
    y: Lifted


@dataclass
class Lifter(Layout):
    """Handlers build through this. ``roundings`` are those of the current source node."""

    roundings: list[Rounding] = field(default_factory=list)

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
        y = self.codes(x, steps, range_)
        return replace(y, chain=y.chain.then("affine", mul=mul, add=add))

    def codes(self, x: Lifted, steps: Chain, range_: IntRange | None) -> Lifted:
        """The codes that a quantizer ``steps`` makes of ``x``, as a tensor of integers.

        Behind a softmax they are left to the host, as it is.
        """
        whole = Chain((*x.chain.steps, *steps.steps))
        if any(step.kind == "softmax" for step in x.chain.steps):
            return replace(x, chain=whole)
        y = self._quantized(x, whole, range_)
        self.roundings.append(Rounding(x, steps, y))
        return y

    def _quantized(self, x: Lifted, whole: Chain, range_: IntRange | None) -> Lifted:
        if isinstance(x.edge, Feed):
            if range_ is None:
                raise self.call.error(
                    "nothing bounds its codes", "quantize the model's input first"
                )
            feed = replace(x.edge, chain=Chain((*x.edge.chain.steps, *whole.steps)), range=range_)
            return Lifted(feed, x.index)
        if isinstance(x.edge, Joint):
            return Lifted(quantized_sum(self, x, codes_of(whole), is_uniform(whole)), x.index)
        return Lifted(self.staircase(x, codes_of(whole), is_uniform(whole)), x.index)

    def staircase(self, x: Lifted, function: Function, uniform: bool = False) -> str:
        """An edge with ``function`` of each integer of ``x``'s edge: a Threshold, or nothing.

        ``uniform``: all channels alike. Two in a row become one. What neither only rises nor only
        falls becomes a Lookup, behind a Threshold where the range is large.
        """
        assert isinstance(x.edge, str)
        producer = self.builder.node_of(x.edge)
        inner = producer.op if producer and isinstance(producer.op, Threshold) else None
        source = producer.inputs[0] if producer and inner else x.edge
        type_, range_ = self.builder.type(source), self.builder.type(x.edge).range
        width = 1 if uniform else type_.channels
        composed = max(width, len(inner.thresholds)) if inner else width
        try:
            direct = discharge(function, range_, width)
            if is_identity(direct, range_):
                return x.edge
            op = discharge(function, type_.range, composed, inner) if inner else direct
        except TooFineError as error:
            raise self.call.error(str(error), "quantize to 8 bits or fewer") from None
        except NotMonotoneError as error:
            edge = self._looked_up(x, function, width)
            if edge is not None:
                return edge
            raise self.call.error(
                f"{error}: no threshold table stands for the functions up to here", RISING, "HW204"
            ) from None
        if producer and inner:
            origin = (*producer.origin, *x.origin)
            return self.emit(op, source, origin=origin, name=producer.name)
        return self.emit(op, source, origin=x.origin)

    def _looked_up(self, x: Lifted, function: Function, width: int) -> str | None:
        """A Lookup: of the integers, or of which run of equal values they are in."""
        assert isinstance(x.edge, str)
        edge, range_ = x.edge, self.builder.type(x.edge).range
        if range_.size <= LOOKUP:
            table = tabulated(function, range_, width).T
        else:
            found = runs_of(function, range_, width, LOOKUP)
            if found is None:
                return None
            table, range_ = found[1], IntRange(0, found[0].steps)
            edge = self.emit(found[0], edge, origin=x.origin)
        table = table[:1] if (table == table[:1]).all() else table
        return self.emit(Lookup(table, range_.lo), edge, origin=x.origin)

    def solid(self, x: Lifted) -> Lifted:
        """``x`` on an edge of integers, where it is a sum that has met no quantizer."""
        return solid_sum(self, x) if isinstance(x.edge, Joint) else x

    def grid(self, x: Lifted) -> Lifted:
        """``x`` with an affine chain: the tensor's values are ``m*q + a``.

        A pending function that maps the grid of the codes into itself, as ReLU does, becomes a
        Threshold. Values on no grid are refused: HW203.
        """
        self.pointwise(x)
        x = self.solid(x)
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
        return Lifted(self.staircase(x, lambda q: times * q + plus, True), x.index, decode)

    def coded(self, x: Lifted, value: float, what: str) -> tuple[Lifted, int]:
        """``x``, perhaps on other codes, and the code that stands for ``value`` in all channels.

        ``x`` must be affine; where no code does, HW202 says that ``what`` needs one.
        """
        found = affine_of(x.chain)
        assert found is not None
        m, a = np.broadcast_arrays(*found)
        codes = np.unique((value - a[m != 0]) / m[m != 0])
        if not len(codes):
            return x, 0
        for times in RECODINGS if len(codes) == 1 else ():
            code = codes[0] * times
            if code == np.rint(code):
                return (x, int(code)) if times == 1 else (self.recode(x, times, -int(code)), 0)
        raise self.call.error(f"{what} {value:g}, for which its input has no code",
                              "use a zero point that is an integer, or no padding")  # fmt: skip

    def zeroed(self, x: Lifted) -> Lifted:
        """``x`` on codes of which 0 stands for zero; it must be affine."""
        x, code = self.coded(x, 0.0, "it needs")
        return self.recode(x, 1, -code) if code else x

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
