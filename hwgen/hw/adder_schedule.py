"""When each adder of a graph is due in a pipeline, and which are one adder of three terms.

An adder whose sum only one other adds to, in the same stage, can be one with that: per bit a pair of
LUTs for sum and majority, and a carry chain that adds the two words. Three terms then take about the
LUT cells of two adders, half of their LUT6_2 sites and three quarters of their levels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from hwgen.hw.adder_graph import AdderGraph, Node, Term

SPARE_LEVELS = 1  # of a stage: more of them let more adders be one
_TWO, _THREE = 2, 3  # cells on the longest path through an adder, a carry chain being one
_MORE_CELLS = 2  # that half the sites may cost

Triple = tuple[Term, Term, Term]
Moment = tuple[int, int]  # a stage of a pipeline, and levels passed in it


@dataclass(frozen=True)
class Schedule:
    """``stage[n]``: the registers on every path from the inputs to node n. ``three``: nodes that add three
    terms, and those: one of the node's two was the sum of two, and used nowhere else."""

    stage: Sequence[int]
    three: dict[int, Triple]


def chain(terms: Sequence[Term]) -> tuple[int, int]:
    """(start, first): of a sum of three terms in order of their shifts, not all negative, the lowest bit
    that is added, and the lowest bit where three are.

    Below ``start`` one term has bits, which pass by; below ``first`` two. The chain's carry input adds
    the one that a negative term lacks once inverted; for a second it has room at ``first``.
    """
    low, middle, high = terms
    start = low.shift if low.negative else middle.shift
    return start, middle.shift if low.negative and middle.negative else high.shift


def schedule(graph: AdderGraph, registers: int, spare: int = SPARE_LEVELS) -> Schedule:
    """Each adder as early as can be, in stages of the fewest levels with which ``registers`` do, and
    ``spare`` more. Adders are made one where it is cheap and nothing that follows is late for it."""
    levels = spare + next(n for n in count(_TWO) if max(_earliest(graph, n))[0] <= registers)
    latest = _latest(graph, registers, levels)
    uses = Counter(t.value for node in graph.nodes for t in (node.a, node.b))
    uses.update(t.value for terms in graph.outputs for t in terms)
    ready: list[Moment] = [(0, 0)] * graph.inputs
    three: dict[int, Triple] = {}
    for n, node in enumerate(graph.nodes):
        ready.append(_end(max(ready[node.a.value], ready[node.b.value]), _TWO, levels))
        for term, other in sorted(((node.a, node.b), (node.b, node.a)), reverse=True,
                                  key=lambda pair: graph.ranges[pair[0].value].width):  # fmt: skip
            inner = term.value - graph.inputs
            if inner < 0 or inner in three or uses[term.value] > 1:
                continue
            first, second = graph.nodes[inner].a, graph.nodes[inner].b
            terms = _within(first, term), _within(second, term), other
            end = _end(max(ready[t.value] for t in terms), _THREE, levels)
            luts = graph.nodes[inner].luts + node.luts - 1 + _MORE_CELLS  # the top bits are carries
            if end <= latest[graph.inputs + n] and _luts_of_three(terms, node) <= luts:
                three[n], ready[-1] = terms, end
                break
    assert max(ready)[0] <= registers
    return Schedule([stage for stage, _ in ready[graph.inputs :]], three)


def _end(start: Moment, own: int, levels: int) -> Moment:
    """When an adder is through whose terms are there at ``start``."""
    stage, passed = start
    return (stage, passed + own) if passed + own <= levels else (stage + 1, own)


def _earliest(graph: AdderGraph, levels: int) -> list[Moment]:
    """When each value is there, by adders of two terms."""
    ready: list[Moment] = [(0, 0)] * graph.inputs
    for node in graph.nodes:
        ready.append(_end(max(ready[node.a.value], ready[node.b.value]), _TWO, levels))
    return ready


def _latest(graph: AdderGraph, registers: int, levels: int) -> list[Moment]:
    """When each value has to be there, where adders of two terms follow."""
    late: list[Moment] = [(registers, levels)] * len(graph.ranges)
    for n, node in reversed(list(enumerate(graph.nodes, graph.inputs))):
        stage, passed = late[n]
        start = (stage, passed - _TWO) if passed >= _TWO else (stage - 1, levels - _TWO)
        for term in (node.a, node.b):
            late[term.value] = min(late[term.value], start)
    return late


def _within(inner: Term, outer: Term) -> Term:
    """A term of a sum that is a term itself."""
    return Term(inner.value, inner.shift + outer.shift, inner.negative ^ outer.negative)


def _luts_of_three(terms: Triple, node: Node) -> int:
    start, first = chain(sorted(terms, key=lambda t: t.shift))
    return 2 * (node.range.width - first) + (first - start)
