"""A constant matrix as a pipeline of adders: a vector per cycle, in one beat, out in one beat."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.constant_product import constant_dot_products, product_registers
from hwgen.hw.stepping import data_register, delay_flags
from hwgen.hw.stream import words


class UnrolledProduct(Component):
    """``y = x @ weight`` for a vector per beat.

    The sums of a beat leave straight from the last adders: what follows has to register them. All
    registers stand still together while the output is not taken.

    Parameters
    ----------
    x_range : range of the inputs.     weight : int array ``(K, N)``.
    y_range : range of the results.

    Members
    -------
    i : In(words(K, x_range))     o : Out(words(N, y_range))

    Timing
    ------
    interval = 1 cycle per vector; latency = ``product_registers(weight)``
    """

    def __init__(self, x_range: IntRange, weight: np.ndarray, y_range: IntRange):
        self.weight = weight
        super().__init__(
            {"i": In(words(len(weight), x_range)), "o": Out(words(weight.shape[1], y_range))}
        )

    @property
    def latency(self) -> int:
        return product_registers(self.weight)

    def elaborate(self, platform):
        m = Module()
        step = Signal()
        m.d.comb += [step.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(step)]

        (valid,) = delay_flags(m, step, self.latency, self.i.valid)
        m.d.comb += self.o.valid.eq(valid)
        lanes = [self.i.payload[k] for k in range(len(self.weight))]
        sums = constant_dot_products(m, lanes, self.weight, data_register(m, step), self.latency)
        for y, total in zip(self.o.payload, sums, strict=True):
            m.d.comb += y.eq(total)
        return m
