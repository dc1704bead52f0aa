"""The nodes of an adder graph as hardware: sums of two terms, or of three on one carry chain."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hwgen.hw.adder_graph import AdderGraph, Term
from hwgen.hw.adder_schedule import SPARE_LEVELS, Schedule, chain, schedule
from hwgen.hw.bit_heap import Register, full_adders
from hwgen.hw.stream import element


class GraphSums:
    """All values of a graph; with ``registers`` made by ``register`` between them, else all at once."""

    def __init__(self, m: Module, graph: AdderGraph, x: Sequence[Value],
                 register: Register | None = None, registers: int = 0,
                 spare: int = SPARE_LEVELS):  # fmt: skip
        self.m, self.register = m, register
        plan = (
            schedule(graph, registers, spare) if register else Schedule([0] * len(graph.nodes), {})
        )
        ages, three = plan.stage, plan.three
        self.values = [[lane] for lane in x]  # of each value: at once, and one clock later each
        self.inverted: dict[int, Value] = {}
        self.ages = [*[0] * len(x), *ages]
        inside = {t.value for n in three for t in (graph.nodes[n].a, graph.nodes[n].b)}
        inside -= {t.value for terms in three.values() for t in terms}
        for number, (node, age) in enumerate(zip(graph.nodes, ages, strict=True)):
            if len(self.values) in inside:
                self.values.append([])
                continue
            total = Signal(element(node.range), name=f"sum_{number}")
            terms = three.get(number)
            m.d.comb += total.eq(
                self._add_three(terms, age, len(total)) if terms else self._add(node.a, node.b, age)
            )
            self.values.append([total])

    def at(self, value: int, age: int) -> Value:
        """A value after ``age`` registers on its path."""
        later = self.values[value]
        while len(later) <= age - self.ages[value]:
            assert self.register is not None
            later.append(self.register(later[-1]))
        return later[age - self.ages[value]]

    def _add(self, a: Term, b: Term, age: int) -> Value:
        """The sum of two terms, the first positive; bits below the other's pass by the adder."""
        one, two = self.at(a.value, age), self.at(b.value, age)
        if b.shift and len(one) > b.shift:
            upper = one[b.shift :]
            upper = upper.as_signed() if one.shape().signed else upper
            upper = upper - two if b.negative else upper + two
            return Cat(one[: b.shift], upper).as_signed()
        if a.shift and not b.negative:
            upper = two[a.shift :]
            upper = (upper.as_signed() if two.shape().signed else upper) + one
            return Cat(two[: a.shift], upper).as_signed()
        one, two = one << a.shift, two << b.shift
        return one - two if b.negative else one + two

    def _add_three(self, terms: Sequence[Term], age: int, width: int) -> Value:
        """The sum of three terms, not all negative, modulo ``2**width``, on the :func:`chain`."""
        low, middle, high = ordered = sorted(terms, key=lambda t: t.shift)
        start, first = chain(ordered)
        words = []
        for term in ordered:
            word = Signal(width - term.shift, name="term")
            self.m.d.comb += word.eq(self.at(term.value, age))
            words.append(Cat(Const(0, term.shift), ~word if term.negative else word))
        a, b, c = words
        parity, majority = full_adders(self.m, a[first:], b[first:], c[first:])
        free = Const(high.negative or (low.negative and middle.negative), 1)
        one = Cat(b[start:first], free, majority[:-1])
        other = Cat(a[start:first], parity)
        at_start = (low if low.negative else middle).negative
        total = (one - ~other if at_start else one + other)[: width - start]
        return Cat(a[:start], total)

    def columns(self, terms: Sequence[Term], width: int) -> tuple[list[list[Value]], int]:
        """The bits of terms by weight, and the constant to add to their sum, modulo 2**width."""
        columns: list[list[Value]] = [[] for _ in range(width)]
        offset = 0
        for term in terms:
            value = self.at(term.value, 0)
            other = self.inverted.setdefault(term.value, ~value)
            for k in range(len(value)):
                column = term.shift + k
                minus = term.negative ^ (value.shape().signed and k == len(value) - 1)
                offset -= minus << column
                if column < width:
                    columns[column].append(other[k] if minus else value[k])
        return columns, offset
