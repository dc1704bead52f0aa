"""Fully connected layer: a constant integer matrix applied to the channels of every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.hw.constant_product import product_registers
from hwgen.hw.dot_product import is_bipolar, tree_registers, weight_bits
from hwgen.hw.dsp_layout import Packing
from hwgen.hw.mac_array import MacArray
from hwgen.hw.packed_products import PackedProducts, packed_registers
from hwgen.hw.stream import element
from hwgen.hw.unrolled_product import UnrolledProduct
from hwgen.ir.exact import integer_matmul
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering import Actor, Cost, Folding, Lowering, mac_actor, streaming
from hwgen.lowering.cost import (
    dot_product_luts,
    ram_cost,
    register_bits,
    rom_cost,
    unrolled_product_cost,
)
from hwgen.lowering.macs import Folded


def accumulator_range(weight: np.ndarray, x: IntRange) -> IntRange:
    """The exact range of ``x @ weight``, ``(K, N)``, over all x in range and all N columns.

    Zero is included: an accumulator starts there, and every partial sum, in any order, lies
    between the sum of the negative and the sum of the positive terms.
    """
    positive, negative = (side(weight, 0).sum(axis=0) for side in (np.maximum, np.minimum))
    largest = max(int(positive.max(initial=0)), -int(negative.min(initial=0)))
    if largest.bit_length() + x.width > 61:  # int64 would wrap, Python's integers do not
        positive, negative = positive.astype(object), negative.astype(object)
    hi = positive * x.hi + negative * x.lo
    lo = positive * x.lo + negative * x.hi
    return IntRange(min(int(lo.min()), 0), max(int(hi.max()), 0))


@dataclass(frozen=True, eq=False)
class MatMul(Op):
    """``y[..., n] = sum_k x[..., k] * weight[k, n]`` with ``weight`` int64 ``(K, N)``."""

    weight: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight))
        if self.weight.ndim != 2:
            raise ValueError(f"weight must be (K, N), not {self.weight.shape}")

    def infer(self, *x: TensorType) -> TensorType:
        (x0,) = x
        if x0.channels != self.weight.shape[0]:
            raise ValueError(
                f"input has {x0.channels} channels, weight {self.weight.shape[0]} rows"
            )
        return TensorType(
            (*x0.shape[:-1], self.weight.shape[1]), accumulator_range(self.weight, x0.range)
        )

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return integer_matmul(x[0], self.weight)

    def macs(self, *x: TensorType) -> int:
        return x[0].pixels * self.weight.size


class MatMulFolded(Folded):
    """Every pixel's channels through one folded MAC array."""

    op = MatMul

    def applies(self, op: MatMul, *x: TensorType) -> bool:
        return self.packs(op.weight, x[0].range)

    def foldings(self, op: MatMul, *x: TensorType) -> Iterator[Folding]:
        legal = self.legal(*op.weight.shape)
        return (f for f in legal if f.pe * f.simd < op.weight.size)

    def lanes(self, op: MatMul, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.simd,), folding.pe

    def cost(self, op: MatMul, folding: Folding, *x: TensorType) -> Cost:
        interval = x[0].pixels * op.weight.size // (folding.pe * folding.simd)
        return mac_cost(op.weight, x[0].range, folding, interval, interval + 1,
                        packing=self.packing)  # fmt: skip

    def actor(self, op: MatMul, folding: Folding, *x: TensorType) -> Actor:
        rows, columns = op.weight.shape
        return mac_actor(rows // folding.simd, columns // folding.pe, x[0].pixels,
                         2 + self.registers(op.weight, folding))  # fmt: skip

    def build(self, op: MatMul, folding: Folding, *x: TensorType) -> MacArray:
        y = op.infer(*x)
        return MacArray(x[0].range, op.weight, y.range, pe=folding.pe, simd=folding.simd,
                        packing=self.packing)  # fmt: skip


class MatMulUnrolled(Lowering):
    """A pixel per cycle through adders that are the matrix."""

    op, name, unrolled = MatMul, "unrolled", True

    def foldings(self, op: MatMul, *x: TensorType) -> Iterator[Folding]:
        rows, columns = op.weight.shape
        yield Folding(columns, rows)

    def lanes(self, op: MatMul, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        return (folding.simd,), folding.pe

    def cost(self, op: MatMul, folding: Folding, *x: TensorType) -> Cost:
        lut, ff = unrolled_product_cost(op.weight, x[0].range.width)
        pixels, delay = x[0].pixels, product_registers(op.weight)
        return Cost(round(lut), round(ff), 0, 0, pixels, pixels - 1 + delay)

    def actor(self, op: MatMul, folding: Folding, *x: TensorType) -> Actor:
        return streaming(x[0].pixels, product_registers(op.weight))

    def build(self, op: MatMul, folding: Folding, *x: TensorType) -> UnrolledProduct:
        return UnrolledProduct(x[0].range, op.weight, op.infer(*x).range)


ACCUMULATOR = 1.5  # LUTs per bit of a PE's result: adding it up, and taking turns at the output


def mac_cost(
    weight: np.ndarray, x: IntRange, folding: Folding, interval: int, latency: int, groups: int = 1,
    packing: Packing | None = None,
) -> Cost:  # fmt: skip
    """The cost of a MAC array for ``weight`` ``(K, N)``, whose columns take turns in ``groups``.

    The array's own registers are added to ``latency``.
    """
    pe, simd = folding.pe, folding.simd
    width, bipolar = weight_bits(weight), is_bipolar(weight)
    y = accumulator_range(weight, x)
    depth = weight.size // (pe * simd)
    registers, dsp = tree_registers(simd), 0
    ff = pe * y.width + register_bits(simd, x) + registers * pe * (y.width + 4)
    if packing and depth > 1:
        packed = PackedProducts(packing, weight, element(x), pe, simd)
        registers, dsp = packed_registers(simd), packed.dsps
        lut = packed.luts + pe * ACCUMULATOR * y.width
        ff = 2 * pe * y.width + register_bits(simd, x) + packed.register_bits
    elif depth == 1:
        lut, _ = unrolled_product_cost(weight, x.width)
    else:
        dot_product = dot_product_luts(simd, width, x.width, pe, bipolar=bipolar)
        lut = pe * (dot_product + ACCUMULATOR * y.width)
    rom_lut, bram = rom_cost(pe * simd * width, depth) if depth > 1 else (0, 0.0)
    passes = weight.shape[1] // (groups * pe)
    replay_lut, replay_bram = (
        ram_cost(simd * x.width, weight.shape[0] // simd) if passes > 1 else (0, 0.0)
    )
    return Cost(round(lut) + rom_lut + replay_lut + 20, ff + 20, bram + replay_bram, dsp,
                interval, latency + registers)  # fmt: skip
