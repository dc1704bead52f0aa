"""Every pair of widths, for all inputs: dot products, constant matrices and thresholds.

python -m bench.proofs [dot matrix thresholds] [--widths 1 2 ... 8] [--bits 20]

Weights (or outputs of thresholds) and activations of 1 to 8 bits, both signed and not, and bipolar
and ternary weights. Circuits of arithmetic are mapped as the mapping "xc7" of :mod:`bench.arithmetic`
does, and the mapped netlist is run for all its inputs (:mod:`bench.exhaust`): as many lanes as have
``--bits`` bits in all, two at least and four at most, so up to 2^32 inputs. Threshold circuits are
streams, and run for all their inputs in Amaranth's simulator. Results go to
bench/results/arithmetic.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out

from bench.arithmetic import VARIANTS, ConstantProduct, map_circuit, store
from bench.dot_products import DotProducts
from bench.exhaust import Code, counter, counterexample, digits
from hwgen.core.intrange import IntRange
from hwgen.hw.comparator_bank import ComparatorBank
from hwgen.hw.dot_product import is_bipolar, weight_bits
from hwgen.hw.multiply_shift import MultiplyShift
from hwgen.hw.parallel_staircase import ParallelStaircase
from hwgen.hw.threshold_search import ThresholdSearch
from hwgen.ir.types import TensorType
from hwgen.ops.threshold import Threshold, lines_of
from tests.hw.harness import simulate

MOST_LANES = 4


class SideBySide(Component):
    """Circuits without anything in common; the members of circuit k end in ``_k``."""

    def __init__(self, circuits: Sequence[Component]):
        self.circuits = circuits
        super().__init__({
            f"{name}_{k}": (In if member.flow == In else Out)(member.shape)
            for k, circuit in enumerate(circuits)
            for name, member in circuit.signature.members.items()
        })  # fmt: skip

    def elaborate(self, _platform):
        m = Module()
        for k, circuit in enumerate(self.circuits):
            m.submodules[f"circuit_{k}"] = circuit
            for name, member in circuit.signature.members.items():
                inner, outer = getattr(circuit, name), getattr(self, f"{name}_{k}")
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m


@dataclass
class Result:
    """What was run, and the first input that was wrong of each circuit that has one."""

    circuits: int = 0
    inputs: int = 0
    wrong: list[str] = field(default_factory=list)


def fields(bits: list[str], width: int) -> list[list[str]]:
    return [bits[k : k + width] for k in range(0, len(bits), width)]


def dot_wanted(code: Code, circuit: DotProducts, bits: dict[str, list[str]]) -> list[str]:
    """The sums by shifting and adding."""
    n, signed = circuit.y_range.width, circuit.x_range.signed
    total = ["zero"] * n
    for x, w in zip(fields(bits["x"], circuit.x_range.width),
                    fields(bits["w"], weight_bits(circuit.weight)), strict=True):  # fmt: skip
        if is_bipolar(circuit.weight):
            w = ["ones", code.bit(f"~{w[0]}")]
        elif circuit.weight.min() >= 0:
            w = [*w, "zero"]
        total = code.add(total, code.times(x, signed, w, n))
    return total


def matrix_wanted(code: Code, circuit: ConstantProduct, bits: dict[str, list[str]]) -> list[str]:
    lanes, found = fields(bits["x"], circuit.x_range.width), []
    for column, range_ in zip(circuit.weight.T, circuit.y_ranges, strict=True):
        n, total = range_.width, ["zero"] * range_.width
        for x, w in zip(lanes, column, strict=True):
            row = code.times(x, circuit.x_range.signed, digits(int(w), n), n)
            total = code.add(total, row)
        found += total
    return found


def legal(code: Code, circuit: Any, bits: dict[str, list[str]]) -> str:
    """Whether all codes of weights are those of a weight: a ternary one is never -2."""
    found = "ones"
    if isinstance(circuit, DotProducts) and circuit.weight.tolist() == [-1, 0, 1]:
        for low, high in fields(bits["w"], 2):
            found = code.bit(f"{found} & ({low} | ~{high})")
    return found


def prove(circuits: Sequence[DotProducts | ConstantProduct]) -> Result:
    """Map circuits together, and run each for all its inputs."""
    result = Result(len(circuits))
    with tempfile.TemporaryDirectory() as text:
        netlist = map_circuit(
            rtlil.convert(SideBySide(circuits), name="top", emit_src=False), "xc7", Path(text)
        )
        for k, circuit in enumerate(circuits):
            code, names = Code(), [name for name in ("x", "w") if hasattr(circuit, name)]
            count = counter(code, sum(len(getattr(circuit, name)) for name in names))
            size, bits = len(count), {}
            for name in names:
                width = len(getattr(circuit, name))
                bits[name], count = count[:width], count[width:]
            mapped = {f"{name}_{k}": value for name, value in bits.items()}
            got = code.netlist(netlist, mapped)[f"y_{k}"]
            wanted = dot_wanted if isinstance(circuit, DotProducts) else matrix_wanted
            folder = Path(text, str(k))
            folder.mkdir()
            found = counterexample(code, got, wanted(code, circuit, bits), size, folder,  # type: ignore[arg-type]
                                   legal(code, circuit, bits))  # fmt: skip
            result.inputs += 1 << size
            if found is not None:
                what = f"{circuit.x_range} {circuit.weight.tolist()}: input {found:#x}"
                result.wrong.append(what)
    return result


def lanes_of(bits: int, budget: int) -> int:
    return min(max(budget // bits, 2), MOST_LANES)


def dot(w_bits: int, x_bits: int, budget: int) -> Result:
    """Run-time weights of all kinds, both kinds of x, one PE."""
    kinds = [np.arange(1 << w_bits), np.arange(1 << w_bits) - (1 << (w_bits - 1))]
    kinds += [np.array([-1, 1]), np.array([-1, 0, 1])] if w_bits == 1 else []
    return prove([
        DotProducts(IntRange.of_bits(x_bits, signed=signed), values, pe=1, plain=False,
                    simd=lanes_of(weight_bits(values) + x_bits, budget))
        for values in kinds for signed in (False, True)
    ])  # fmt: skip


def matrix(w_bits: int, x_bits: int, budget: int) -> Result:
    """Constant weights: combinational and as pipelines, both kinds of x, four columns."""
    rng = np.random.default_rng(8 * w_bits + x_bits)
    lo, hi = -(1 << (w_bits - 1)), max((1 << (w_bits - 1)) - 1, 1)
    weight = rng.integers(lo, hi + 1, (lanes_of(x_bits, budget), 4))
    weight[0, :2], weight[1, :2] = (lo, hi), (hi, lo)
    return prove([
        ConstantProduct(IntRange.of_bits(x_bits, signed=signed), weight, spare)
        for signed in (False, True) for spare in VARIANTS.values()
    ])  # fmt: skip


def thresholds(y_bits: int, x_bits: int, _budget: int) -> Result:
    """Two channels at once: random steps, a line per channel, and steps of a power of two."""
    rng, result, steps = np.random.default_rng(8 * y_bits + x_bits), Result(), (1 << y_bits) - 1
    for signed in (False, True):
        x_range = IntRange.of_bits(x_bits, signed=signed)
        every = np.tile(np.arange(x_range.lo, x_range.hi + 1)[:, None], 2)
        first = rng.integers(x_range.lo - 2, x_range.hi + 1, (2, 1))
        span = rng.random((2, 1)) * x_range.size + 1
        tables = [
            np.sort(rng.integers(x_range.lo - 2, x_range.hi + 3, (2, steps)), axis=1),
            np.floor(first + span * np.arange(steps) / steps).astype(int),
            first + (np.arange(steps) << max(x_bits - y_bits, 0)),
        ]
        for table in tables:
            op = Threshold(table, base=-(steps // 2), falling=rng.integers(0, 2, 2))
            for circuit in _circuits(op, x_range):
                got = simulate(circuit, every, expected_beats=len(every)).output
                result.circuits += 1
                result.inputs += every.size
                if (wrong := np.argwhere(got != op.reference(every))).size:
                    result.wrong.append(f"{type(circuit).__name__} {op} {every[tuple(wrong[0])]}")
    return result


def _circuits(op: Threshold, x_range: IntRange) -> Iterator[Component]:
    y_range = op.infer(TensorType((2,), x_range)).range
    given = {"channels": 2, "lanes": 2}
    more = {"base": op.base, "falling": op.falling}
    for kind in (ComparatorBank, ThresholdSearch, ParallelStaircase):
        yield kind(x_range, y_range, op.thresholds, **given, **more)
    for most in (1, 2, 4):
        if (lines := lines_of(op, x_range, most)) is not None:
            yield MultiplyShift(x_range, y_range, lines, **given)


PROOFS = {"dot": dot, "matrix": matrix, "thresholds": thresholds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(PROOFS))
    parser.add_argument("--widths", nargs="*", type=int, default=range(1, 9))
    parser.add_argument("--bits", type=int, default=20)
    options = parser.parse_args()
    for kind in options.kinds:
        total, started = Result(), time.time()
        for first in options.widths:
            for second in options.widths:
                result = PROOFS[kind](first, second, options.bits)
                print(kind, first, second, result, flush=True)
                total.circuits += result.circuits
                total.inputs += result.inputs
                total.wrong += result.wrong
        store("proofs", [{
            "name": kind, "widths": list(options.widths), "circuits": total.circuits,
            "inputs": total.inputs, "wrong": total.wrong, "verified": not total.wrong,
            "seconds": round(time.time() - started),
        }])  # fmt: skip
        if total.wrong:
            raise SystemExit(f"{len(total.wrong)} circuits of {kind} are wrong")


if __name__ == "__main__":
    main()
