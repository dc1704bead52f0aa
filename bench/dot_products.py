"""LUTs per multiply-accumulate of dot products with weights from memory.

python -m bench.dot_products [--simd 16 64] [--only w4a4 ...] [--plain] [--quick]

Mapped, verified and stored as :mod:`bench.arithmetic` says; the best of four mappings counts.
``--quick`` takes xc7 and the one that has been the best.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from bench.arithmetic import (
    AREA,
    LARGEST_FLAT,
    MAPPINGS,
    VECTORS,
    from_bits,
    measure,
    show,
    store,
    to_bits,
)
from bench.netlist import Netlist
from hwgen.core.intrange import IntRange
from hwgen.hw.dot_product import dot_products, weight_bits
from hwgen.hw.stream import element

FOLDED = ("w1a1", "w2a2", "w2a4", "w4a4", "w4a8", "w8a8")
ALL = tuple(MAPPINGS | AREA)
BEST = {"w1a1": "area5"}  # area6 for the others, or as good as it


def plain_dot_products(x: list[Value], rows: list[list[Value]], weight: np.ndarray) -> list[Value]:
    """The same sums by the operators ``*`` and ``+``, as a hand would write them."""

    def term(lane: Value, code: Value) -> Value:
        if (np.abs(weight) == 1).all():
            return Mux(code, lane, -lane)
        return lane * (code.as_signed() if (weight < 0).any() else code)

    def tree(values: list[Value]) -> Value:
        while len(values) > 1:
            pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[2 * len(pairs) :]
        return values[0] if values else Const(0)

    return [tree([term(a, b) for a, b in zip(x, row, strict=True)]) for row in rows]


class DotProducts(Component):
    """``y[p] = sum_s x[s] * w[p, s]`` between registers; ``weight`` holds the values w may take.

    Members: x (SIMD fields), w (PE x SIMD codes), y (PE fields). Latency: 2 clocks.
    """

    def __init__(self, x_range: IntRange, weight: np.ndarray, *, pe: int, simd: int, plain: bool):
        self.x_range, self.weight, self.pe, self.simd = x_range, weight, pe, simd
        self.plain = plain
        w_range = IntRange.of_array(weight)
        one = w_range * x_range
        self.y_range = IntRange(simd * min(one.lo, 0), simd * max(one.hi, 0))
        super().__init__({
            "x": In(simd * x_range.width), "w": In(pe * simd * weight_bits(weight)),
            "y": Out(pe * self.y_range.width),
        })  # fmt: skip

    def elaborate(self, _platform):
        m = Module()
        x, w = Signal.like(self.x), Signal.like(self.w)
        m.d.sync += [x.eq(self.x), w.eq(self.w)]
        a, b, n = self.x_range.width, weight_bits(self.weight), self.y_range.width
        lanes = [x[k * a : (k + 1) * a] for k in range(self.simd)]
        lanes = [v.as_signed() if self.x_range.signed else v for v in lanes]
        codes = [w[k * b : (k + 1) * b] for k in range(self.pe * self.simd)]
        rows = [codes[p * self.simd : (p + 1) * self.simd] for p in range(self.pe)]
        if self.plain:
            sums = plain_dot_products(lanes, rows, self.weight)
        else:
            sums = dot_products(m, lanes, rows, self.weight)
        for p, total in enumerate(sums):
            y = Signal(element(self.y_range), name=f"y_{p}")
            m.d.sync += y.eq(total)
            m.d.comb += self.y[p * n : (p + 1) * n].eq(y)
        return m

    def stimulus(self, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Operands, random and at the corners, and the sums (vectors, PE)."""
        values = np.unique(self.weight)
        x = rng.integers(self.x_range.lo, self.x_range.hi + 1, (VECTORS, self.simd))
        w = rng.choice(values, (VECTORS, self.pe * self.simd))
        for k, (at_x, at_w) in enumerate((i, j) for i in (0, 1) for j in (0, 1)):
            x[k] = (self.x_range.lo, self.x_range.hi)[at_x]
            w[k] = (values[0], values[-1])[at_w]
        y = np.einsum("vs,vps->vp", x, w.reshape(-1, self.pe, self.simd))
        codes = (w > 0).astype(int) if (np.abs(self.weight) == 1).all() else w
        stimulus = {
            "x": to_bits(x, self.x_range.width),
            "w": to_bits(codes, weight_bits(self.weight)),
        }
        return stimulus, y


def folded_weight(kind: str) -> np.ndarray:
    """All values of a kind of weight: w1 (bipolar), wt (ternary), w2 ... w8 (signed), u1 ..."""
    if kind in ("w1", "wt"):
        return np.array([-1, 1]) if kind == "w1" else np.array([-1, 0, 1])
    bits = int(kind[1:])
    return np.arange(2**bits) - (0 if kind[0] == "u" else 2 ** (bits - 1))


def folded(
    name: str, simd: int, *, pe: int = 8, plain: bool = False, mappings: Sequence[str] = ALL
) -> dict:
    """One row: ``name`` is a weight kind and a number of activation bits, like w4a4 or wta2.

    Large ones are synthesised with one and with two PE; the others are copies of the second.
    """
    kind, bits = name.split("a")
    weight, x_range = folded_weight(kind), IntRange.of_bits(int(bits), signed=False)

    def one(pe: int) -> dict:
        circuit = DotProducts(x_range, weight, pe=pe, simd=simd, plain=plain)

        def check(netlist: Netlist) -> bool:
            stimulus, y = circuit.stimulus(np.random.default_rng(0))
            return bool((from_bits(netlist.evaluate(stimulus)["y"], circuit.y_range) == y).all())

        return measure(circuit, check, mappings)

    if pe > 2 and simd * x_range.width * weight_bits(weight) > LARGEST_FLAT:
        row = _copies(one(1), one(2), pe, mappings) | {"synthesised_pe": [1, 2]}
    else:
        row = one(pe) | {"synthesised_pe": [pe]}
    row["lut_per_mac"] = round(row["lut"] / (pe * simd), 2)
    row["lut_strict_per_mac"] = round(row[row["mapping"]]["lut_strict"] / (pe * simd), 2)
    return {"name": name + ("_plain" if plain else ""), "simd": simd, "pe": pe} | row


def _copies(one: dict, two: dict, pe: int, mappings: Sequence[str]) -> dict:
    """The counts of ``pe`` PE where those of one and of two are known."""
    row = {"emit_s": two["emit_s"], "verified": one["verified"] and two["verified"]}
    for mapping in mappings:
        counts = {k: v + (pe - 1) * (two[mapping][k] - v) for k, v in one[mapping].items()}
        row[mapping] = counts | {"levels": two[mapping]["levels"]}
    best = min(mappings, key=lambda k: row[k]["lut"])
    return row | {"mapping": best, "lut": row[best]["lut"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=FOLDED)
    parser.add_argument("--simd", nargs="*", type=int, default=[16, 64])
    parser.add_argument("--pe", type=int, default=8)
    parser.add_argument("--plain", action="store_true", help="by the operators * and +")
    parser.add_argument("--quick", action="store_true", help="two mappings of four")
    options = parser.parse_args()
    for name in options.only:
        for simd in options.simd:
            mappings = ("xc7", BEST.get(name, "area6")) if options.quick else ALL
            row = folded(name, simd, pe=options.pe, plain=options.plain, mappings=mappings)
            store("folded", [row])
            show(row)


if __name__ == "__main__":
    main()
