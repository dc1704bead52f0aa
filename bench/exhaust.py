"""All inputs of a netlist, by compiled code: 256 at a time, a bit of each in a machine word.

The netlist and its specification become straight lines of C on vectors of bits: LUTs by Shannon
expansion, carries bit by bit, flip-flops as wires. The inputs count through all their values, the
lowest eight bits within a vector. What is specified is written here as sums and products of digits,
by no code that makes circuits.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.cells import Carry, Delay, Flop, Lut, Mux
from bench.netlist import Netlist

LANES = 256
_HEAD = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef uint64_t v __attribute__((vector_size(32)));
static const v zero = {0, 0, 0, 0};
static const v low[8] = {
  {0xaaaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaaa},
  {0xcccccccccccccccc, 0xcccccccccccccccc, 0xcccccccccccccccc, 0xcccccccccccccccc},
  {0xf0f0f0f0f0f0f0f0, 0xf0f0f0f0f0f0f0f0, 0xf0f0f0f0f0f0f0f0, 0xf0f0f0f0f0f0f0f0},
  {0xff00ff00ff00ff00, 0xff00ff00ff00ff00, 0xff00ff00ff00ff00, 0xff00ff00ff00ff00},
  {0xffff0000ffff0000, 0xffff0000ffff0000, 0xffff0000ffff0000, 0xffff0000ffff0000},
  {0xffffffff00000000, 0xffffffff00000000, 0xffffffff00000000, 0xffffffff00000000},
  {0, ~0ull, 0, ~0ull}, {0, 0, ~0ull, ~0ull}};
static int64_t search(uint64_t count) {
  const v ones = ~zero;
  for (uint64_t n = 0; n < count; n++) {
"""
_TAIL = """
    for (int k = 0; k < 4; k++)
      if (wrong[k]) return 256 * n + 64 * k + __builtin_ctzll(wrong[k]);
  }
  return -1;
}
int main(int, char **words) { printf("%lld", (long long)search(strtoull(words[1], 0, 10))); }
"""


class Code:
    """Straight lines of C; a bit is the name of a variable, ``zero`` or ``ones``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def bit(self, expression: str) -> str:
        self.lines.append(f"    const v t{len(self.lines)} = {expression};")
        return f"t{len(self.lines) - 1}"

    def choose(self, s: str, a: str, b: str) -> str:
        """a where s is 0, else b."""
        if a == b:
            return a
        known = {
            ("zero", "ones"): s, ("ones", "zero"): f"~{s}", ("zero", b): f"{s} & {b}",
            (a, "zero"): f"{a} & ~{s}", (a, "ones"): f"{a} | {s}", ("ones", b): f"{b} | ~{s}",
        }  # fmt: skip
        text = known.get((a, b), f"{a} ^ ({s} & ({a} ^ {b}))")
        return text if text == s else self.bit(text)

    def lut(self, inputs: list[str], init: int) -> str:
        half = 1 << (len(inputs) - 1)
        if init in (0, (1 << 2 * half) - 1):
            return "ones" if init else "zero"
        if len(inputs) == 1:
            return self.choose(inputs[0], *("ones" if init >> k & 1 else "zero" for k in (0, 1)))
        parts = init & ((1 << half) - 1), init >> half
        if parts[0] ^ parts[1] == (1 << half) - 1:
            return self.bit(f"{inputs[-1]} ^ {self.lut(inputs[:-1], parts[0])}")
        return self.choose(inputs[-1], *(self.lut(inputs[:-1], part) for part in parts))

    def add(self, a: list[str], b: list[str]) -> list[str]:
        """The sum of equally long numbers, modulo a power of two."""
        carry, total = "zero", []
        for x, y in zip(a, b, strict=True):
            half = self.bit(f"{x} ^ {y}")
            total.append(self.bit(f"{half} ^ {carry}"))
            carry = self.bit(f"({x} & {y}) | ({half} & {carry})")
        return total

    def times(self, a: list[str], signed: bool, b: list[str], width: int) -> list[str]:
        """``a * b`` modulo ``2^width``; b is two's complement of any length up to that, or
        unsigned with a zero on top; ``signed``: a is two's complement."""
        a = a + [a[-1] if signed else "zero"] * width
        total = ["zero"] * width
        for k, digit in enumerate((b + [b[-1]] * width)[:width]):
            row = ["zero"] * k + [self.bit(f"{x} & {digit}") for x in a[: width - k]]
            total = self.add(total, row)
        return total

    def netlist(self, netlist: Netlist, inputs: dict[str, list[str]]) -> dict[str, list[str]]:
        """The outputs of a circuit without feedback, every register loaded."""
        value: dict = {"0": "zero", "1": "ones", "x": "zero"}
        for name, nets in netlist.inputs.items():
            value |= dict(zip(nets, inputs.get(name, ["zero"] * len(nets)), strict=True))
        if netlist.unknown:
            raise ValueError(f"no model of {sorted(netlist.unknown)}")
        for part in netlist.ordered():
            if isinstance(part, Lut):
                value[part.output] = self.lut([value[net] for net in part.inputs], part.init)
            elif isinstance(part, Mux):
                value[part.o] = self.choose(value[part.s], value[part.i0], value[part.i1])
            elif isinstance(part, Carry):
                c = value[part.ci]
                for di, s, o, co in zip(part.di, part.s, part.o, part.co, strict=True):
                    value[o] = self.bit(f"{value[s]} ^ {c}")
                    value[co] = c = self.choose(value[s], value[di], c)
            elif isinstance(part, Flop) and part.force != "0":
                value[part.q] = self.choose(
                    value[part.force], value[part.d], ("zero", "ones")[part.to]
                )
            elif isinstance(part, (Flop, Delay)):
                value[part.q] = value[part.d]
        return {name: [value[net] for net in nets] for name, nets in netlist.outputs.items()}


def counter(code: Code, bits: int) -> list[str]:
    """The bits of a number that counts through all its values."""
    upper = [code.bit(f"(n >> {k}) & 1 ? ones : zero") for k in range(max(bits - 8, 0))]
    return [f"low[{k}]" for k in range(min(bits, 8))] + upper


def counterexample(
    code: Code, got: list[str], wanted: list[str], bits: int, folder: Path, legal: str = "ones"
) -> int | None:
    """The first value of the counter of ``bits`` where two numbers differ; None if nowhere.

    Values where the bit ``legal`` is 0 do not count. The code is compiled in ``folder``.
    """
    wrong = [f"({a} ^ {b})" for a, b in zip(got, wanted, strict=True)]
    lines = [*code.lines, f"    const v wrong = {legal} & ({' | '.join(wrong)});"]
    source, program = folder / "search.cpp", folder / "search"
    source.write_text(_HEAD + "\n".join(lines) + _TAIL)
    command = ["g++", "-O1", "-march=native", "-o", str(program), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    count = max(1, (1 << bits) // LANES)
    done = subprocess.run([str(program), str(count)], check=True, capture_output=True, text=True)
    found = int(done.stdout)
    return None if found < 0 else found % (1 << bits)


def digits(value: int, width: int) -> list[str]:
    """Two's complement digits of a constant."""
    return ["ones" if value >> k & 1 else "zero" for k in range(width)]
