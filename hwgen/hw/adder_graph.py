"""Sums of shifted inputs as a graph of two-input adders, and numbers as signed digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.core.intrange import IntRange


@dataclass(frozen=True, slots=True)
class Term:
    """``(-1)**negative * value << shift``; values are numbered inputs first, then nodes."""

    value: int
    shift: int
    negative: bool


@dataclass(frozen=True, slots=True)
class Node:
    """The sum of two terms, the first positive. ``depth``: adders on its longest path."""

    a: Term
    b: Term
    range: IntRange
    depth: int

    @property
    def luts(self) -> int:
        """Bits of the sum but those that pass below the other operand."""
        passing = 0 if self.b.negative and self.a.shift else max(self.a.shift, self.b.shift)
        return self.range.width - passing


@dataclass(frozen=True)
class AdderGraph:
    """``outputs[n]``: terms whose sum is output n. ``ranges``: of inputs and nodes."""

    inputs: int
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[Term, ...], ...]
    ranges: tuple[IntRange, ...]

    @property
    def depth(self) -> int:
        return max((node.depth for node in self.nodes), default=0)

    @property
    def adders(self) -> int:
        """Two-input adders of the whole product."""
        return len(self.nodes) + sum(max(len(terms) - 1, 0) for terms in self.outputs)

    @property
    def luts(self) -> int:
        """LUTs of the nodes."""
        return sum(node.luts for node in self.nodes)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """The product ``(..., N)`` for inputs ``(..., K)``, addition by addition."""
        values = list(np.moveaxis(np.asarray(x, np.int64), -1, 0))

        def term(t: Term) -> np.ndarray:
            shifted = values[t.value] << t.shift
            return -shifted if t.negative else shifted

        for node in self.nodes:
            values.append(term(node.a) + term(node.b))  # noqa: PERF401 (reads what it appends)
        zero = np.zeros_like(values[0])
        return np.stack([sum((term(t) for t in terms), zero) for terms in self.outputs], axis=-1)


def csd(weight: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """(shift, digits in -1, 0, 1): the canonical signed digits of an integer array."""
    rest, digits, shift = np.array(weight, np.int64), [], 0
    while rest.any():
        digit = np.where(rest & 1, 2 - (rest & 3), 0)
        if digit.any():
            digits.append((shift, digit))
        rest = (rest - digit) >> 1
        shift += 1
    return digits


def linear_range(factors: np.ndarray, x: IntRange) -> IntRange:
    """The exact range of ``sum(factors * inputs)`` for independent inputs in a range."""
    positive, negative = int(factors[factors > 0].sum()), int(factors[factors < 0].sum())
    return IntRange(positive * x.lo + negative * x.hi, positive * x.hi + negative * x.lo)
