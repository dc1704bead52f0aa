"""The folded matrix-vector unit: PE rows of SIMD multiply-accumulates over a constant matrix."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.constant_product import constant_dot_products
from hwgen.hw.dot_product import (
    Accumulation,
    dot_products,
    encode,
    is_bipolar,
    tree_registers,
    weight_bits,
)
from hwgen.hw.dsp_layout import Packing
from hwgen.hw.packed_products import PackedProducts, packed_registers
from hwgen.hw.stepping import data_register, delay_flags
from hwgen.hw.stream import element, words
from hwgen.hw.weight_memory import WeightMemory, pack


class MacArray(Component):
    """``y = x @ weight`` for one vector after another.

    A vector enters as K/SIMD beats and leaves as N/PE beats. The first of the N/PE passes takes
    its beats from the stream and keeps them; the others replay them. One beat is used per cycle.

    Parameters
    ----------
    x_range : range of the inputs.
    weight : int array ``(K, N)``; PE must divide N, SIMD must divide K. Or ``(G, K, N)``: vectors
        meet the G matrices by turns, as the groups of a convolution do.
    sets : vectors that enter side by side, lanes ``(SIMD, sets)`` of a beat. Each meets an equal
        run of the columns, as the channels of a depthwise convolution do; PE is N then.
    y_range : range of the results; arithmetic is modulo its width, which no sum exceeds.
    packing : the DSPs to multiply in, several rows in each, or None for LUTs. Not for bipolar weights,
        and only where :func:`hwgen.hw.dsp_layout.fits`; an array with a multiplier for every weight
        has constants instead.
    name : names the weight memory's file.

    Members
    -------
    i : In(words(SIMD * sets, x_range))     o : Out(words(PE, y_range))

    Timing
    ------
    interval (cycles per vector) = (N/PE) * (K/SIMD)
    latency (first input to last output of a vector) = interval + 1 + tree_registers(SIMD), and one
    more with DSPs
    """

    def __init__(self, x_range: IntRange, weight: np.ndarray, y_range: IntRange, *,
                 pe: int, simd: int, sets: int = 1, packing: Packing | None = None,
                 name: str = "weights"):  # fmt: skip
        *_, rows, columns = weight.shape
        if columns % pe or rows % simd:
            raise ValueError(f"PE must divide {columns} and SIMD {rows}, not {pe} and {simd}")
        if pe % sets or (sets > 1 and pe != columns):
            raise ValueError(f"{sets} sets must divide PE, which must be {columns}, not {pe}")
        self.x_range, self.weight, self.y_range = x_range, weight, y_range
        self.pe, self.simd, self.sets, self.name = pe, simd, sets, name
        self.packed = None
        if packing is not None and not self.constant:
            assert not is_bipolar(weight), "a sign is no factor for a DSP"
            self.packed = PackedProducts(packing, weight, element(x_range), pe // sets, simd)
        super().__init__({"i": In(words(simd * sets, x_range)), "o": Out(words(pe, y_range))})

    @property
    def constant(self) -> bool:
        """Whether every weight has a multiplier of its own, so that none comes from memory."""
        return self.weight.size == self.pe * self.simd

    @property
    def registers(self) -> int:
        """Registers on every path of a dot product."""
        return packed_registers(self.simd) if self.packed else tree_registers(self.simd)

    @property
    def passes(self) -> int:
        """Passes over one vector, N/PE."""
        return self.weight.shape[-1] // self.pe

    @property
    def beats(self) -> int:
        """Input beats per vector, K/SIMD."""
        return self.weight.shape[-2] // self.simd

    @property
    def interval(self) -> int:
        return self.passes * self.beats

    @property
    def latency(self) -> int:
        return self.interval + 1 + self.registers

    def codes(self) -> np.ndarray:
        """Weight codes by address and lane, ``(G * passes * beats, PE * SIMD)``."""
        shape = (-1, self.beats, self.simd, self.passes, self.pe)
        if self.packed:
            offsets = np.tile(self.packed.offsets(), self.sets)
            folded = (self.weight.reshape(shape) + offsets) & ((1 << weight_bits(self.weight)) - 1)
        else:
            folded = encode(self.weight).reshape(shape)
        return folded.transpose(0, 3, 1, 4, 2).reshape(-1, self.pe * self.simd)

    def elaborate(self, platform):
        m = Module()
        step = Signal()  # the whole pipeline moves, or stands still

        x, fire, valid, first, last = self._issue(m, step)
        lanes = [[x[k] for k in range(s, len(x), self.sets)] for s in range(self.sets)]

        register = data_register(m, step)
        run = self.pe // self.sets
        rows = [] if self.constant else self._fetch(m, step, fire)
        valid, first, last = delay_flags(m, step, self.registers, valid, first, last)
        accumulators = [
            Signal(element(self.y_range), name=f"acc_{p}", reset_less=True)
            for p in range(self.pe if self.beats > 1 else 0)
        ]
        sums: list[Value] = []
        for s, own in enumerate(lanes):
            part = slice(s * run, (s + 1) * run)
            if self.constant:
                weight = self.weight.reshape(self.simd, self.pe)[:, part]
                sums += constant_dot_products(m, own, weight, register, tree_registers(self.simd))
            else:
                onto = Accumulation(accumulators[part], first, self.beats) if accumulators else None
                if self.packed:
                    sums += self.packed.build(m, own, rows[part], register, onto)
                else:
                    sums += dot_products(m, own, rows[part], self.weight, register, onto)
        for accumulator, total in zip(accumulators, sums, strict=False):
            with m.If(step & valid):
                m.d.sync += accumulator.eq(total)

        # A result may wait at the output while the next one accumulates beside it.
        done = valid & last
        m.d.comb += step.eq(self.o.ready | ~self.o.valid | ~done)
        for total, result in zip(sums, self.o.payload, strict=True):
            with m.If(step & done):
                m.d.sync += result.eq(total)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step & done):
            m.d.sync += self.o.valid.eq(1)
        return m

    def _issue(self, m: Module, step: Signal):
        """The vector's beats, replayed for every pass: one per step, with its flags."""
        beat, turn = Signal(range(self.beats)), Signal(range(self.passes))
        fresh, fire = Signal(), Signal()
        m.d.comb += [
            fresh.eq(turn == 0),
            fire.eq(step & (self.i.valid | ~fresh)),
            self.i.ready.eq(step & fresh),
        ]
        last_beat = beat == self.beats - 1
        with m.If(fire):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
            if self.passes > 1:
                with m.If(last_beat):
                    m.d.sync += turn.eq(Mux(turn == self.passes - 1, 0, turn + 1))

        shape = self.i.payload.shape()
        valid, first, last = Signal(), Signal(), Signal()
        with m.If(step):
            m.d.sync += [valid.eq(fire), first.eq(beat == 0), last.eq(last_beat)]
        taken = Signal(shape, reset_less=True)
        with m.If(fire & fresh):
            m.d.sync += taken.eq(self.i.payload)
        if self.passes == 1 or self.beats == 1:
            return taken, fire, valid, first, last

        m.submodules.replay = replay = Memory(shape=shape, depth=self.beats, init=[])
        write, read = replay.write_port(), replay.read_port()
        was_fresh = Signal()
        m.d.comb += [
            write.en.eq(fire & fresh), write.addr.eq(beat), write.data.eq(self.i.payload),
            read.en.eq(step), read.addr.eq(beat),
        ]  # fmt: skip
        with m.If(step):
            m.d.sync += was_fresh.eq(fresh)
        x = Signal(shape)
        m.d.comb += x.eq(Mux(was_fresh, taken, read.data))
        return x, fire, valid, first, last

    def _fetch(self, m: Module, step: Signal, fire: Signal) -> list[list[Value]]:
        """The weight codes of the beat that was issued a step ago, by PE and lane."""
        width, depth = weight_bits(self.weight), self.weight.size // (self.pe * self.simd)
        memory = WeightMemory(
            pack(self.codes(), width), self.pe * self.simd * width, depth, self.name
        )
        m.submodules.weights = memory
        address = Signal(range(depth))
        with m.If(fire):
            m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
        m.d.comb += [memory.en.eq(step), memory.addr.eq(address)]
        fields = [memory.data[k * width : (k + 1) * width] for k in range(self.pe * self.simd)]
        return [fields[p * self.simd : (p + 1) * self.simd] for p in range(self.pe)]
