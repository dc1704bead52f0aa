"""LUTs of constant matrices, and how circuits are mapped, verified and counted.

python -m bench.arithmetic constant [--only cmvm_16x16_w4a4 ...]

Every circuit is one module with registers at its edges and nothing else, so that its LUTs are the
arithmetic alone. It is mapped by ``synth_xilinx -family xc7 -noiopad -flatten -nodsp`` with yosys'
own LUT costs ("xc7"), and once more with ``abc -lut 6`` ("lut6"); "area6" and "area5" ask ABC for
few LUTs of so many inputs instead of few levels. The mapped netlist itself is
simulated against NumPy; a circuit that differs gets no figure. Results are merged by name into
bench/results/arithmetic.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from fcntl import LOCK_EX, flock
from importlib.metadata import version
from pathlib import Path

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from bench.netlist import Netlist
from bench.packing import sites
from hwgen.core.intrange import IntRange
from hwgen.emit.yosys import run_yosys
from hwgen.hw.adder_graph import linear_range
from hwgen.hw.adder_tree import least_levels, sum_columns
from hwgen.hw.constant_product import constant_dot_products, unroll
from hwgen.hw.stream import element
from hwgen.synth.yosys import least_area

RESULTS = Path(__file__).parent / "results" / "arithmetic.json"
CASES = Path(__file__).parent / "cases"
SYNTH_SECONDS = 1200.0
VECTORS = 2048
LARGEST_FLAT = 1024  # bit products of one PE, for all to be synthesised in one piece

SYNTH = "synth_xilinx -family xc7 -noiopad -flatten -nodsp -top top"


def _by_abc(command: str) -> list[str]:
    return [f"{SYNTH} -run begin:map_luts", "opt_expr -mux_undef -noclkinv", command,
            f"{SYNTH} -run map_luts:"]  # fmt: skip


MAPPINGS = {"xc7": [SYNTH], "lut6": _by_abc("abc -lut 6")}
AREA = {"area6": _by_abc(least_area(6)), "area5": _by_abc(least_area(5))}


class ConstantProduct(Component):
    """``y = x @ weight`` for a constant matrix between registers: x (K fields), y (N fields).

    ``spare``: with registers behind every two adders, and so many levels more in a stage for adders
    of three terms; None: combinational.
    """

    def __init__(self, x_range: IntRange, weight: np.ndarray, spare: int | None = None):
        self.x_range, self.weight, self.spare = x_range, weight, spare
        self.y_ranges = [linear_range(column, x_range) for column in weight.T]
        super().__init__({
            "x": In(weight.shape[0] * x_range.width), "y": Out(sum(r.width for r in self.y_ranges)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m = Module()
        x, a = Signal.like(self.x), self.x_range.width
        m.d.sync += x.eq(self.x)
        lanes = [x[k * a : (k + 1) * a] for k in range(self.weight.shape[0])]
        lanes = [v.as_signed() if self.x_range.signed else v for v in lanes]

        def register(value: Value) -> Signal:
            later = Signal(value.shape(), reset_less=True)
            m.d.sync += later.eq(value)
            return later

        if self.spare is not None:
            registers, levels = self.stages()
            sums = constant_dot_products(m, lanes, self.weight, register, registers, levels,
                                         self.spare)  # fmt: skip
        else:
            sums = constant_dot_products(m, lanes, self.weight)
        results = []
        for n, (total, range_) in enumerate(zip(sums, self.y_ranges, strict=True)):
            results.append(Signal(element(range_), name=f"y_{n}", reset_less=True))
            m.d.sync += results[-1].eq(total)
        m.d.comb += self.y.eq(Cat(*results))
        return m

    def stages(self) -> tuple[int, int]:
        """(registers, adder levels): two levels between two registers, one level to spare."""
        registers = (least_levels(self.weight) + 2) // 2 - 1
        return registers, 2 * (registers + 1)

    def check(self, netlist: Netlist) -> bool:
        """Whether the mapped netlist computes x @ weight, for random and extreme inputs."""
        rng = np.random.default_rng(0)
        x = rng.integers(self.x_range.lo, self.x_range.hi + 1, (VECTORS, self.weight.shape[0]))
        extremes = np.where(self.weight.T > 0, self.x_range.hi, self.x_range.lo)
        x[: len(extremes)] = extremes[:VECTORS]
        x[len(extremes) : 2 * len(extremes)] = (self.x_range.lo + self.x_range.hi) - extremes
        bits = netlist.evaluate({"x": to_bits(x, self.x_range.width)})["y"]
        ends = np.cumsum([r.width for r in self.y_ranges])[:-1]
        fields = np.split(bits, ends, axis=1)
        y = [from_bits(f, r)[:, 0] for f, r in zip(fields, self.y_ranges, strict=True)]
        return bool((np.stack(y, axis=1) == x @ self.weight).all())


def to_bits(values: np.ndarray, width: int) -> np.ndarray:
    """Two's complement bits of (vectors, fields), field 0 and its lowest bit first."""
    bits = (values[:, :, None] >> np.arange(width)) & 1
    return bits.reshape(len(values), -1).astype(np.uint8)


def from_bits(bits: np.ndarray, range_: IntRange) -> np.ndarray:
    """The inverse of :func:`to_bits`."""
    fields = bits.reshape(len(bits), -1, range_.width).astype(np.int64)
    values = (fields << np.arange(range_.width)).sum(axis=2)
    return values - ((fields[:, :, -1] << range_.width) if range_.signed else 0)


def map_script(mapping: str) -> list[str]:
    """Commands that map the module ``top`` and write its netlist."""
    return [*(MAPPINGS | AREA)[mapping], f"write_json {mapping}.json"]


def map_circuit(
    text: str, mapping: str, folder: Path, *, timeout: float = SYNTH_SECONDS
) -> Netlist:
    """Synthesise RTLIL whose top module is ``top``."""
    (folder / "top.il").write_text(text)
    run_yosys("\n".join(["read_rtlil top.il", *map_script(mapping)]), folder, timeout=timeout)
    return Netlist.read(folder / f"{mapping}.json", "top")


def measure(
    circuit: Component, check: Callable[[Netlist], bool], mappings: Iterable[str] = tuple(MAPPINGS)
) -> dict:
    """Counts of some mappings, each verified; ``lut`` is the better one's number of sites."""
    started = time.process_time()
    text = rtlil.convert(circuit, name="top", emit_src=False)
    row: dict = {"emit_s": round(time.process_time() - started, 1), "verified": True}
    with tempfile.TemporaryDirectory() as folder:
        for mapping in mappings:
            netlist = map_circuit(text, mapping, Path(folder))
            row["verified"] &= check(netlist)
            row[mapping] = netlist.counts() | {
                "lut": sites(netlist), "lut_strict": sites(netlist, strict=True),
                "levels": netlist.levels(), "latency": netlist.latency(),
            }  # fmt: skip
    best = min(mappings, key=lambda k: row[k]["lut"])
    return row | {"mapping": best, "lut": row[best]["lut"]}


def case(name: str) -> tuple[np.ndarray, IntRange]:
    """The matrix (K, N) of a file in bench/cases, and the range of its inputs."""
    data = np.load(CASES / f"{name}.npz")
    x_range = IntRange.of_bits(int(data["abits"]), signed=bool(data["asigned"]))
    return data["W"].astype(np.int64), x_range


VARIANTS: dict[str, int | None] = {"": None, "_staged": 0, "_staged_dense": 2}  # spare levels


def constant(name: str, variant: str, mappings: Iterable[str] = tuple(MAPPINGS)) -> dict:
    """One row: the matrix of a case, combinational or pipelined."""
    weight, x_range = case(name)
    circuit = ConstantProduct(x_range, weight, VARIANTS[variant])
    started = time.process_time()
    graph = (
        sum_columns(weight, x_range, circuit.stages()[1]) if variant else unroll(weight, x_range)
    )
    solved = time.process_time() - started
    row = measure(circuit, circuit.check, mappings)
    macs = int(weight.size)
    return {
        "name": name + variant, "solve_s": round(solved, 2),
        "adders": graph.adders, "shared": len(graph.nodes), "depth": row[row["mapping"]]["levels"],
        "lut_per_mac": round(row["lut"] / macs, 3),
    } | row  # fmt: skip


def store(kind: str, rows: Iterable[dict]) -> None:
    """Put rows in the results file in the place of those of the same name and SIMD."""
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a+") as file:  # several benchmarks may run at once
        flock(file, LOCK_EX)
        _merge(kind, rows)


def _merge(kind: str, rows: Iterable[dict]) -> None:
    data = json.loads(RESULTS.read_text() or "{}")
    data["tools"] = {tool: version(tool) for tool in ("pyosys", "amaranth", "numpy")}
    table = {(r["name"], r.get("simd", 0)): r for r in data.get(kind, [])}
    for row in rows:
        key = row["name"], row.get("simd", 0)
        table[key] = table.get(key, {}) | row
    data[kind] = [table[key] for key in sorted(table)]
    RESULTS.write_text(json.dumps(data, indent=1) + "\n")


def show(row: dict) -> None:
    """One line of a row on the terminal."""
    shown = ("lut_cells", "lut", "lut_strict", "carry4", "ff", "levels")
    counts = {
        mapping: {key: row[mapping][key] for key in shown} for mapping in MAPPINGS | AREA
        if mapping in row
    }  # fmt: skip
    verdict = "verified" if row["verified"] else "WRONG"
    print(row["name"], row.get("simd", ""), "LUT", row["lut"], "per MAC", row["lut_per_mac"],
          row["mapping"], verdict, counts, flush=True)  # fmt: skip


CONSTANT = tuple(f"cmvm_{name}" for name in (
    "8x8_w4a4", "16x16_w4a4", "32x32_w4a4", "32x32_w6a6", "64x64_w4a4", "64x64_ternary_a4",
    "64x64_ternary_a8", "64x64_bipolar_a1u", "64x64_w8a8",
))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", choices=["constant"])
    parser.add_argument("--only", nargs="*", default=CONSTANT)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--mappings", nargs="*", default=list(MAPPINGS), choices=list(MAPPINGS))
    options = parser.parse_args()
    for name in options.only:
        for variant in options.variants:
            row = constant(name, variant, options.mappings)
            store(options.table, [row])
            show(row)


if __name__ == "__main__":
    main()
