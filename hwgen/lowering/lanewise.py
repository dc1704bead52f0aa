"""What lowerings share that handle as many channels at a time on every stream, in and out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.block_buffer import BlockBuffer
from hwgen.hw.elementwise import Elementwise
from hwgen.hw.insert import Insert
from hwgen.ir.types import TensorType
from hwgen.lowering.actor import Actor, Blocks, Rigid
from hwgen.lowering.base import Cost, Folding, Lowering, divisors
from hwgen.lowering.cost import ram_cost, register_bits


class Lanewise(Lowering):
    """PE channels at a time."""

    def foldings(self, op: Any, *x: TensorType) -> Iterator[Folding]:
        yield from (Folding(pe) for pe in divisors(x[0].channels))

    def lanes(self, op: Any, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.pe,) * len(x), folding.pe


class Inserting(Lanewise):
    """Constants put into the stream by :class:`Insert`: a cycle for every beat that leaves."""

    @abstractmethod
    def build(self, op: Any, folding: Folding, *x: TensorType) -> Insert: ...

    def cost(self, op: Any, folding: Folding, *x: TensorType) -> Cost:
        circuit = self.build(op, folding, *x)
        selections = folding.pe * circuit.output_range.width // 2
        return Cost(selections + 40, 30, 0, 0, circuit.interval, circuit.latency)

    def actor(self, op: Any, folding: Folding, *x: TensorType) -> Actor:
        circuit = self.build(op, folding, *x)
        every = np.arange(circuit.frame)
        return Rigid((circuit.places(),), every, circuit.frame, 0, head=circuit.first)


class Buffered(Lanewise):
    """Blocks of the frame read in another order, or several times, by :class:`BlockBuffer`."""

    @abstractmethod
    def build(self, op: Any, folding: Folding, *x: TensorType) -> BlockBuffer: ...

    def cost(self, op: Any, folding: Folding, *x: TensorType) -> Cost:
        circuit, beats = self.build(op, folding, *x), op.infer(*x).size // folding.pe
        lut, bram = ram_cost(folding.pe * x[0].range.width, 2 * circuit.block)
        return Cost(lut + 40, 40, bram, 0, beats, beats + circuit.block)

    def actor(self, op: Any, folding: Folding, *x: TensorType) -> Actor:
        circuit = self.build(op, folding, *x)
        return Blocks(circuit.block, circuit.reads)


class Joined(Lanewise):
    """All inputs in step through an :class:`Elementwise` circuit: a cycle for every beat."""

    def actor(self, op: Any, folding: Folding, *x: TensorType) -> Actor:
        beats = np.arange(x[0].size // folding.pe)
        return Rigid((beats,) * len(x), beats, len(beats), Elementwise.DEPTH)

    @staticmethod
    def streamed(
        folding: Folding, *x: TensorType, y: IntRange, lut: float, bram: float = 0, dsp: int = 0
    ) -> Cost:
        """The cost of a circuit whose arithmetic takes that much; its registers are added."""
        beats = x[0].size // folding.pe
        ff = sum(register_bits(folding.pe, range_) for range_ in (y, *(x0.range for x0 in x)))
        return Cost(round(lut) + 5, ff + 2, bram, dsp, beats, beats - 1 + Elementwise.DEPTH)
