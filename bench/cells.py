"""What the mapped cells of three families are made of: LUTs, carries, multiplexers, flip-flops.

Facts of ``cells_sim.v`` of yosys' ``xilinx``, ``lattice`` (ECP5) and ``ice40``. Nets are numbers, or
"0", "1" and "x"; nets within a cell are named after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

FREE = {"$scopeinfo", "BUFG", "IBUF", "OBUF", "GND", "VCC"}
MAJORITY = 0b11101000
FORCED = {"FDRE": "R", "FDSE": "S", "FDCE": "CLR", "FDPE": "PRE"}


@dataclass(frozen=True, slots=True)
class Lut:
    """``output = init[inputs]``, input 0 the lowest address bit."""

    inputs: tuple
    init: int
    output: Any


@dataclass(frozen=True, slots=True)
class Carry:
    """A part of a carry chain: ``o = s ^ c``, next ``c = s ? c : di``."""

    ci: Any
    di: tuple
    s: tuple
    o: tuple
    co: tuple


@dataclass(frozen=True, slots=True)
class Mux:
    """``o = s ? i1 : i0``, without a LUT."""

    i0: Any
    i1: Any
    s: Any
    o: Any


@dataclass(frozen=True, slots=True)
class Flop:
    """``q`` is ``d`` of a clock ago, or the bit ``to`` where ``force`` was high."""

    d: Any
    q: Any
    force: Any = "0"
    to: int = 0


@dataclass(frozen=True, slots=True)
class Delay:
    """A shift register in a LUT: ``q`` is ``d`` of ``clocks`` clocks ago."""

    clocks: int
    d: Any
    q: Any


Part = Lut | Carry | Mux | Flop | Delay
_FLOP = re.compile(r"FD[RSCP]E|TRELLIS_FF|SB_DFF\w*")


def parts(name: str, kind: str, pins: dict[str, list], values: dict[str, str]) -> list[Part] | None:
    """What a cell is made of; nothing for a cell of no logic, None for an unknown one."""

    def pin(port: str, default: Any = "0") -> Any:
        return pins[port][0] if pins.get(port) else default

    def init(parameter: str = "INIT") -> int:
        return int(values.get(parameter, "0").replace("x", "0"), 2)

    if kind in FREE:
        return []
    if kind == "INV":
        return [Lut((pin("I"),), 1, pin("O"))]
    if match := re.fullmatch(r"LUT([1-6])", kind):
        if "Z" in pins:
            return [Lut(tuple(map(pin, "ABCD")), init(), pin("Z"))]
        return [Lut(tuple(pin(f"I{k}") for k in range(int(match[1]))), init(), pin("O"))]
    if kind == "SB_LUT4":
        return [Lut(tuple(pin(f"I{k}") for k in range(4)), init("LUT_INIT"), pin("O"))]
    if kind == "CARRY4":
        ci = pin("CI") if pin("CI") != "0" else pin("CYINIT")
        return [Carry(ci, *(tuple(pins[port]) for port in ("DI", "S", "O", "CO")))]
    if kind == "SB_CARRY":
        return [Lut((pin("I0"), pin("I1"), pin("CI")), MAJORITY, pin("CO"))]
    if kind == "CCU2C":
        return _ccu2c(name, pin, init, values)
    if kind in ("MUXF7", "MUXF8"):
        return [Mux(pin("I0"), pin("I1"), pin("S"), pin("O"))]
    if kind == "PFUMX":
        return [Mux(pin("BLUT"), pin("ALUT"), pin("C0"), pin("Z"))]
    if kind == "L6MUX21":
        return [Mux(pin("D0"), pin("D1"), pin("SD"), pin("Z"))]
    if kind in FORCED:
        return [Flop(pin("D"), pin("Q"), pin(FORCED[kind]), int(kind in ("FDSE", "FDPE")))]
    if _FLOP.fullmatch(kind):
        return [Flop(pin("D" if "D" in pins else "DI"), pin("Q"))]
    if kind in ("SRL16E", "SRLC32E"):
        address = pins["A"] if "A" in pins else [pin(f"A{k}") for k in range(4)]
        return [
            Delay(1 + sum((bit == "1") << k for k, bit in enumerate(address)), pin("D"), pin("Q"))
        ]
    return None


def _ccu2c(name: str, pin: Any, init: Any, values: dict[str, str]) -> list[Part] | None:
    """Two LUT4 on a carry chain; what enters beside them is a function of A and B."""
    if any(values.get(f"INJECT1_{k}") not in ("NO", None) for k in (0, 1)):
        return None
    found: list[Part] = []
    for k in (0, 1):
        inputs = tuple(pin(f"{port}{k}") for port in "ABCD")
        found.append(Lut(inputs, init(f"INIT{k}"), f"{name}.s{k}"))
        found.append(Lut(inputs[:2], init(f"INIT{k}") & 15, f"{name}.di{k}"))
    s, di = ((f"{name}.{port}0", f"{name}.{port}1") for port in ("s", "di"))
    o = pin("S0", f"{name}.o0"), pin("S1", f"{name}.o1")
    return [*found, Carry(pin("CIN"), di, s, o, (f"{name}.co0", pin("COUT", f"{name}.co1")))]
