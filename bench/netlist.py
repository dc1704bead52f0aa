"""A mapped netlist, as yosys' ``write_json`` gives it: counts, and its own simulation."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.cells import Carry, Delay, Flop, Lut, Mux, Part, parts


@dataclass
class Netlist:
    """One flat module. ``inputs``, ``outputs``: nets of each port, lowest bit first."""

    inputs: dict[str, list]
    outputs: dict[str, list]
    luts: list[Lut] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    flops: list[Flop] = field(default_factory=list)
    delays: list[Delay] = field(default_factory=list)
    wide: list[Mux] = field(default_factory=list)
    cells: Counter = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)  # kinds without a model

    @classmethod
    def read(cls, path: Path, top: str) -> Netlist:
        """Read ``write_json``'s file. A cell without a model is an error only in a simulation."""
        module = json.loads(path.read_text())["modules"][top]
        ports = module["ports"]
        ways = {
            way: {name: p["bits"] for name, p in ports.items() if p["direction"] == way}
            for way in ("input", "output")
        }
        self = cls(ways["input"], ways["output"])
        lists = {Lut: self.luts, Carry: self.carries, Mux: self.wide, Flop: self.flops,
                 Delay: self.delays}  # fmt: skip
        for name, cell in module["cells"].items():
            self.cells[cell["type"]] += 1
            found = parts(name, cell["type"], cell["connections"], cell["parameters"])
            if found is None:
                self.unknown.add(cell["type"])
            for part in found or ():
                lists[type(part)].append(part)
        return self

    @cached_property
    def _logic_reads(self) -> set:
        reads = {net for part in (*self.luts, *self.carries, *self.wide) for net in _reads(part)}
        return reads | {net for bits in self.outputs.values() for net in bits}

    def read_by_logic(self, net: object) -> bool:
        """Whether anything but a flip-flop reads ``net``."""
        return net in self._logic_reads

    def counts(self) -> dict[str, float]:
        """Raw LUT cells and what else a Xilinx circuit takes."""
        return {
            "lut_cells": len(self.luts) + len(self.delays), "carry4": self.cells["CARRY4"],
            "ff": len(self.flops), "srl": len(self.delays),
            "muxf": len(self.wide), "dsp": sum(self.cells[k] for k in self.cells if "DSP" in k),
            "bram": self.cells["RAMB36E1"] + self.cells["RAMB18E1"] / 2,
            "lutram": sum(self.cells[k] for k in self.cells if k.startswith(("RAM32", "RAM64"))),
        }  # fmt: skip

    def levels(self) -> int:
        """Cells on the longest path between registers; a carry chain of any length counts one."""
        depth: dict = {}
        deepest = 0
        for part in self._order([*self.luts, *self.carries, *self.wide]):
            if isinstance(part, Carry):
                beside = max(depth.get(n, 0) for n in (*part.di, *part.s))
                d = max(depth.get(part.ci, 0), 1 + beside)
            else:
                d = 1 + max((depth.get(n, 0) for n in _reads(part)), default=0)
            depth.update((net, d) for net in _drives(part))
            deepest = max(deepest, d)
        return deepest

    def latency(self) -> int:
        """Registers on the longest path from input to output, of a circuit without feedback."""
        age: dict = {}
        for part in self._order(self._parts):
            clocks = part.clocks if isinstance(part, Delay) else int(isinstance(part, Flop))
            later = clocks + max((age.get(net, 0) for net in _reads(part)), default=0)
            age.update((net, later) for net in _drives(part))
        return max(age.get(net, 0) for nets in self.outputs.values() for net in nets)

    def ordered(self) -> list[Part]:
        """All parts, each after those that drive it. ValueError where there is feedback."""
        return self._order(self._parts)

    @property
    def _parts(self) -> list[Part]:
        return [*self.luts, *self.carries, *self.wide, *self.flops, *self.delays]

    def evaluate(self, stimulus: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Steady outputs for steady inputs, every flip-flop loaded: 0/1 arrays (vectors, bits).

        Valid for circuits without feedback. ValueError for a cell that has no model here.
        """
        if self.unknown:
            raise ValueError(f"no model of {sorted(self.unknown)}")
        vectors = len(next(iter(stimulus.values())))
        value: dict = {"x": np.zeros(vectors, np.uint8), "0": np.zeros(vectors, np.uint8)}
        value["1"] = value["0"] + np.uint8(1)
        for name, nets in self.inputs.items():
            bits = stimulus.get(name)
            for k, net in enumerate(nets):
                value[net] = value["0"] if bits is None else bits[:, k].astype(np.uint8)
        for part in self._order(self._parts):
            if isinstance(part, Lut):
                address = value["0"]
                for k, net in enumerate(part.inputs):
                    address = address | (value[net] << np.uint8(k))
                table = [(part.init >> k) & 1 for k in range(1 << len(part.inputs))]
                value[part.output] = np.array(table, np.uint8)[address]
            elif isinstance(part, Carry):
                c = value[part.ci]
                for di, s, o, co in zip(part.di, part.s, part.o, part.co, strict=True):
                    value[o] = value[s] ^ c
                    c = np.where(value[s], c, value[di])
                    value[co] = c
            elif isinstance(part, Mux):
                value[part.o] = np.where(value[part.s], value[part.i1], value[part.i0])
            else:
                value[part.q] = value[part.d]
                if isinstance(part, Flop) and part.force != "0":
                    value[part.q] = np.where(value[part.force], part.to, value[part.d])
        return {
            name: np.stack([value[net] for net in nets], axis=1)
            for name, nets in self.outputs.items()
        }

    @staticmethod
    def _order(found: list[Part]) -> list[Part]:
        """The parts, each after those that drive it."""
        driver = {net: k for k, part in enumerate(found) for net in _drives(part)}
        order, state = [], bytearray(len(found))  # 1: being visited, 2: done
        for root in range(len(found)):
            stack = [root]
            while stack:
                k = stack[-1]
                if state[k]:
                    stack.pop()
                    if state[k] == 1:
                        state[k] = 2
                        order.append(found[k])
                    continue
                state[k] = 1
                for net in _reads(found[k]):
                    j = driver.get(net)
                    if j is None or state[j] == 2 or j == k:
                        continue
                    if state[j] == 1:
                        raise ValueError("the circuit has a combinational loop or feedback")
                    stack.append(j)
        return order


def _reads(part: Part) -> tuple:
    if isinstance(part, Lut):
        return part.inputs
    if isinstance(part, Carry):
        return (part.ci, *part.di, *part.s)
    if isinstance(part, Mux):
        return (part.i0, part.i1, part.s)
    return (part.d, part.force) if isinstance(part, Flop) else (part.d,)


def _drives(part: Part) -> tuple:
    if isinstance(part, Lut):
        return (part.output,)
    if isinstance(part, Carry):
        return (*part.o, *part.co)
    return (part.o,) if isinstance(part, Mux) else (part.q,)
