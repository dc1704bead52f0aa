"""An image times a vector that holds for all its pixels."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hwgen.core.intrange import IntRange
from hwgen.hw.block_buffer import BlockBuffer
from hwgen.hw.elementwise import Product
from hwgen.hw.stream import words


class GatedProduct(Component):
    """``y[pixel, c] = x[pixel, c] * gate[c]``: a gate for each channel, once per frame.

    The gates of the next frame enter while those of the present one are in use.

    Parameters
    ----------
    x_range, gate_range, y_range : of both inputs and the products.
    lanes : of every stream.     pixels : of a frame.     groups : words of a pixel.

    Members
    -------
    i0 : In(words(lanes, x_range))     i1 : In(words(lanes, gate_range)), ``groups`` beats per frame
    o : Out(words(lanes, y_range))

    Timing
    ------
    interval = pixels * groups
    latency = groups + 1 + interval - 1 + Product.DEPTH from the first gate, with x waiting
    """

    def __init__(
        self,
        x_range: IntRange,
        gate_range: IntRange,
        y_range: IntRange,
        lanes: int,
        pixels: int,
        groups: int,
    ) -> None:
        self.hold = BlockBuffer(gate_range, lanes, [(groups, 1), (pixels, 0)])
        self.product = Product([x_range, gate_range], y_range, lanes)
        super().__init__(
            {
                "i0": In(words(lanes, x_range)),
                "i1": In(words(lanes, gate_range)),
                "o": Out(words(lanes, y_range)),
            }
        )

    @property
    def interval(self) -> int:
        return self.hold.interval

    @property
    def latency(self) -> int:
        return self.hold.latency + Product.DEPTH

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.hold, m.submodules.product = self.hold, self.product
        connect(m, flipped(self.i0), self.product.i0)
        connect(m, flipped(self.i1), self.hold.i)
        connect(m, self.hold.o, self.product.i1)
        connect(m, self.product.o, flipped(self.o))
        return m
