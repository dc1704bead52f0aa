"""A mapped Xilinx netlist, as yosys' ``write_json`` gives it: counts, and its own simulation."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

_FLOPS = {"FDRE", "FDSE", "FDCE", "FDPE"}
_DELAYS = {"SRL16E", "SRLC32E"}  # shift registers in LUTs
_FREE = {"$scopeinfo", "BUFG", "IBUF", "OBUF", "GND", "VCC"}


@dataclass(frozen=True, slots=True)
class Lut:
    """``output = init[inputs]``, input 0 the lowest address bit; nets are numbers or "0", "1"."""

    inputs: tuple
    init: int
    output: int


@dataclass(frozen=True, slots=True)
class Carry:
    """CARRY4: ``o = s ^ c``, next ``c = s ? c : di``."""

    ci: object
    di: tuple
    s: tuple
    o: tuple
    co: tuple


@dataclass
class Netlist:
    """One flat module. ``inputs``, ``outputs``: nets of each port, lowest bit first."""

    inputs: dict[str, list]
    outputs: dict[str, list]
    luts: list[Lut] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    flops: list[tuple] = field(default_factory=list)  # (d, q)
    forced: dict[int, tuple] = field(default_factory=dict)  # q: (net that sets or resets it, value)
    delays: list[tuple] = field(default_factory=list)  # (clocks, d, q)
    wide: list[tuple] = field(default_factory=list)  # MUXF7, MUXF8: (i0, i1, s, o)
    cells: Counter = field(default_factory=Counter)

    @classmethod
    def read(cls, path: Path, top: str) -> Netlist:
        """Read ``write_json``'s file. ValueError where the netlist has a cell it cannot simulate
        only once it is asked to."""
        module = json.loads(path.read_text())["modules"][top]
        ports = module["ports"]
        ways = {
            way: {name: p["bits"] for name, p in ports.items() if p["direction"] == way}
            for way in ("input", "output")
        }
        self = cls(ways["input"], ways["output"])
        for cell in module["cells"].values():
            kind, pins = cell["type"], cell["connections"]
            self.cells[kind] += 1
            if kind in ("INV", *(f"LUT{n}" for n in range(1, 7))):
                names = ["I"] if kind == "INV" else [f"I{k}" for k in range(int(kind[3]))]
                init = 1 if kind == "INV" else int(cell["parameters"]["INIT"], 2)
                self.luts.append(Lut(tuple(pins[n][0] for n in names), init, pins["O"][0]))
            elif kind == "CARRY4":
                ci = pins["CI"][0] if pins["CI"][0] != "0" else pins["CYINIT"][0]
                words = (tuple(pins[n]) for n in ("DI", "S", "O", "CO"))
                self.carries.append(Carry(ci, *words))
            elif kind in _FLOPS:
                self.flops.append((pins["D"][0], pins["Q"][0]))
                pin = {"FDRE": "R", "FDSE": "S", "FDCE": "CLR", "FDPE": "PRE"}[kind]
                if pins[pin][0] != "0":
                    self.forced[pins["Q"][0]] = pins[pin][0], np.uint8(kind in ("FDSE", "FDPE"))
            elif kind in _DELAYS:
                address = pins["A"] if "A" in pins else [pins[f"A{k}"][0] for k in range(4)]
                clocks = 1 + sum((bit == "1") << k for k, bit in enumerate(address))
                self.delays.append((clocks, pins["D"][0], pins["Q"][0]))
            elif kind in ("MUXF7", "MUXF8"):
                self.wide.append(tuple(pins[n][0] for n in ("I0", "I1", "S", "O")))
        return self

    @cached_property
    def _logic_reads(self) -> set:
        reads = {net for lut in self.luts for net in lut.inputs}
        for carry in self.carries:
            reads.update((carry.ci, *carry.di, *carry.s))
        reads.update(net for mux in self.wide for net in mux[:3])
        reads.update(net for bits in self.outputs.values() for net in bits)
        return reads

    def read_by_logic(self, net: object) -> bool:
        """Whether anything but a flip-flop reads ``net``."""
        return net in self._logic_reads

    def counts(self) -> dict[str, int]:
        """Raw LUT cells and what else the circuit takes."""
        return {
            "lut_cells": len(self.luts) + len(self.delays), "carry4": self.cells["CARRY4"], "ff": len(self.flops),
            "muxf": len(self.wide), "dsp": sum(self.cells[k] for k in self.cells if "DSP" in k),
            "bram": self.cells["RAMB36E1"] + self.cells["RAMB18E1"] / 2,
            "lutram": sum(self.cells[k] for k in self.cells if k.startswith(("RAM32", "RAM64"))),
            "srl": len(self.delays),
        }  # fmt: skip

    def levels(self) -> int:
        """Cells on the longest path between registers; a carry chain of any length counts one."""
        depth: dict = {}
        deepest = 0
        for kind, cell in self._order(stop_at_flops=True):
            if kind == "lut":
                depth[cell.output] = d = 1 + max((depth.get(n, 0) for n in cell.inputs), default=0)
            elif kind == "carry":
                d = max(
                    depth.get(cell.ci, 0),
                    1 + max(depth.get(n, 0) for n in (*cell.di, *cell.s)),
                )
                depth.update((n, d) for n in (*cell.o, *cell.co))
            elif kind == "mux":
                depth[cell[3]] = d = 1 + max(depth.get(n, 0) for n in cell[:3])
            else:
                d = 0
            deepest = max(deepest, d)
        return deepest

    def latency(self) -> int:
        """Registers on the longest path from input to output, of a circuit without feedback."""
        age: dict = {}
        for kind, cell in self._order(stop_at_flops=False):
            if kind == "lut":
                reads, made = cell.inputs, (cell.output,)
            elif kind == "carry":
                reads, made = (cell.ci, *cell.di, *cell.s), (*cell.o, *cell.co)
            else:
                reads, made = cell[kind == "delay" : -1], cell[-1:]
            later = max((age.get(net, 0) for net in reads), default=0)
            later += cell[0] if kind == "delay" else kind == "flop"
            age.update((net, later) for net in made)
        return max(age.get(net, 0) for nets in self.outputs.values() for net in nets)

    def evaluate(self, stimulus: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Steady outputs for steady inputs, every flip-flop loaded: 0/1 arrays (vectors, bits).

        Valid for circuits without feedback. ValueError for a cell that has no model here.
        """
        known = _FLOPS | _DELAYS | _FREE | {"CARRY4", "INV", "MUXF7", "MUXF8"}
        known |= {f"LUT{n}" for n in range(1, 7)}
        if unknown := set(self.cells) - known:
            raise ValueError(f"no model of {sorted(unknown)}")
        vectors = len(next(iter(stimulus.values())))
        value: dict = {"x": np.zeros(vectors, np.uint8), "0": np.zeros(vectors, np.uint8)}
        value["1"] = value["0"] + np.uint8(1)
        for name, nets in self.inputs.items():
            bits = stimulus.get(name)
            for k, net in enumerate(nets):
                value[net] = value["0"] if bits is None else bits[:, k].astype(np.uint8)
        for kind, cell in self._order(stop_at_flops=False):
            if kind == "lut":
                address = value["0"]
                for k, net in enumerate(cell.inputs):
                    address = address | (value[net] << np.uint8(k))
                table = [(cell.init >> k) & 1 for k in range(1 << len(cell.inputs))]
                value[cell.output] = np.array(table, np.uint8)[address]
            elif kind == "carry":
                c = value[cell.ci]
                for di, s, o, co in zip(cell.di, cell.s, cell.o, cell.co, strict=True):
                    value[o] = value[s] ^ c
                    c = np.where(value[s], c, value[di])
                    value[co] = c
            elif kind == "mux":
                i0, i1, s, o = cell
                value[o] = np.where(value[s], value[i1], value[i0])
            else:
                value[cell[-1]] = value[cell[-2]]
                if cell[-1] in self.forced:
                    net, to = self.forced[cell[-1]]
                    value[cell[-1]] = np.where(value[net], to, value[cell[-2]])
        return {
            name: np.stack([value[net] for net in nets], axis=1)
            for name, nets in self.outputs.items()
        }

    def _order(self, *, stop_at_flops: bool) -> list[tuple]:
        """The cells, each after those that drive it; with flip-flops as wires, or left out."""
        cells: list[tuple] = [("lut", x, x.inputs, (x.output,)) for x in self.luts]
        cells += [("carry", x, (x.ci, *x.di, *x.s), (*x.o, *x.co)) for x in self.carries]
        cells += [("mux", x, x[:3], x[3:]) for x in self.wide]
        if not stop_at_flops:
            cells += [
                ("flop", x, (x[0], *self.forced.get(x[1], ())[:1]), x[1:]) for x in self.flops
            ]
            cells += [("delay", x, x[1:2], x[2:]) for x in self.delays]
        driver = {net: k for k, cell in enumerate(cells) for net in cell[3]}
        order, state = [], bytearray(len(cells))  # 1: being visited, 2: done
        for root in range(len(cells)):
            stack = [root]
            while stack:
                k = stack[-1]
                if state[k]:
                    stack.pop()
                    if state[k] == 1:
                        state[k] = 2
                        order.append(cells[k][:2])
                    continue
                state[k] = 1
                for net in cells[k][2]:
                    j = driver.get(net)
                    if j is None or state[j] == 2 or j == k:
                        continue
                    if state[j] == 1:
                        raise ValueError("the circuit has a combinational loop or feedback")
                    stack.append(j)
        return order
