"""Registers of a pipeline that moves as a whole: in the cycles in which ``step`` is high."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from hwgen.hw.bit_heap import Register


def data_register(m: Module, step: Value) -> Register:
    """Makes a register for any value, without a reset: what it holds counts only where it is valid."""

    def register(value: Value) -> Signal:
        later = Signal(value.shape(), reset_less=True)
        with m.If(step):
            m.d.sync += later.eq(value)
        return later

    return register


def delay_flags(m: Module, step: Value, clocks: int, *flags: Value) -> tuple[Value, ...]:
    """The one-bit ``flags``, 0 after a reset, so many steps later."""
    for _ in range(clocks):
        delayed = tuple(Signal() for _ in flags)
        with m.If(step):
            m.d.sync += [later.eq(flag) for later, flag in zip(delayed, flags, strict=True)]
        flags = delayed
    return flags
