"""A graph with all decisions about hardware made: when, and with how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from hwgen.ir.graph import Graph, Node
from hwgen.ir.types import TensorType
from hwgen.lowering import Cost, Folding, Lowering
from hwgen.lowering.links import Area, buffer_area, converter_area, port_area
from hwgen.ops.reshape import Reshape


@dataclass(frozen=True, eq=False)
class Stage:
    """One node in hardware."""

    node: Node
    lowering: Lowering
    folding: Folding
    inputs: tuple[TensorType, ...]
    cost: Cost

    @cached_property
    def lanes(self) -> tuple[tuple[int, ...], int]:
        """Lanes of each input, and of the output."""
        return self.lowering.lanes(self.node.op, self.folding, *self.inputs)


@dataclass(frozen=True, slots=True)
class Link:
    """A stream from the maker of ``value`` to input ``index`` of stage ``consumer``.

    ``consumer`` is a node's name, or ``""`` for graph output ``index``. ``depth`` counts the beats
    of the wider side that the link can hold: 0 is a wire, 2 a skid buffer.
    """

    value: str
    consumer: str
    index: int
    lanes_from: int
    lanes_to: int
    elements: int
    depth: int = 0

    @property
    def interval(self) -> int:
        """Cycles per frame that a change of lanes takes: the narrower side's beats."""
        return self.elements // min(self.lanes_from, self.lanes_to)


@dataclass(frozen=True, eq=False)
class Design:
    """Stages and links. No field of a design can change an integer that comes out."""

    graph: Graph
    stages: tuple[Stage, ...]
    links: tuple[Link, ...]
    clock_mhz: float = 100.0
    notes: tuple[str, ...] = field(default=())

    @property
    def interval(self) -> int:
        """Cycles per frame in steady state: those of the slowest stage or link."""
        return max([s.cost.interval for s in self.stages] + [k.interval for k in self.links])

    @property
    def bottleneck(self) -> str:
        """The name of the stage that sets the interval."""
        return max(self.stages, key=lambda stage: stage.cost.interval).node.name

    @property
    def latency(self) -> int:
        """An upper estimate: the sum of the stages' latencies. The simulation measures it."""
        return sum(stage.cost.latency for stage in self.stages)

    @property
    def fps(self) -> float:
        return self.clock_mhz * 1e6 / self.interval

    def between(self) -> Area:
        """Estimated area of the links and of the ports."""
        parts = [self.area(link) for link in self.links]
        return Area(round(sum(p.lut for p in parts)), round(sum(p.ff for p in parts)),
                    sum(p.bram for p in parts))  # fmt: skip

    def area(self, link: Link) -> Area:
        """Estimated area of a link, and of the port that it leads from or to."""
        bits = self.graph.type(link.value).range.width
        wide = max(link.lanes_from, link.lanes_to) * bits
        parts = [buffer_area(wide, link.depth),
                 converter_area(link.lanes_from, link.lanes_to, bits)]  # fmt: skip
        if link.value in {port.value for port in self.graph.inputs}:
            parts.append(port_area(link.lanes_from * bits, 1, output=False))
        if not link.consumer:
            beats = link.elements // link.lanes_to
            parts.append(port_area(link.lanes_to * bits, beats, output=True))
        return Area(*(sum(kind) for kind in zip(*parts, strict=True)))

    def total(self) -> Cost:
        """Estimated area of all stages and of what stands between them."""
        costs, between = [stage.cost for stage in self.stages], self.between()
        return Cost(
            sum(c.lut for c in costs) + int(between.lut), sum(c.ff for c in costs) + int(between.ff),
            sum(c.bram for c in costs) + between.bram, sum(c.dsp for c in costs),
            self.interval, self.latency,
        )  # fmt: skip

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.node.name == name)

    def source(self, value: str) -> str:
        """The stage or graph input whose stream carries ``value``; reshapes are no hardware."""
        return source_of(self.graph, value)

    def verify(self) -> None:
        """Assert that streams fit: every input has one link, and lanes divide their frames."""
        wanted = {(s.node.name, k) for s in self.stages for k in range(len(s.inputs))}
        wanted |= {("", k) for k in range(len(self.graph.outputs))}
        assert {(link.consumer, link.index) for link in self.links} == wanted
        assert len(self.links) == len(wanted), "an input has two links"
        made = {s.node.name: s.lanes[1] for s in self.stages}
        for link in self.links:
            assert link.lanes_from == made.get(link.value, link.lanes_from)
            assert link.elements % link.lanes_from == 0 == link.elements % link.lanes_to
            if link.consumer:
                assert link.lanes_to == self.stage(link.consumer).lanes[0][link.index]


def source_of(graph: Graph, value: str) -> str:
    """``value``, or what it is a reshaped view of."""
    while (node := graph.producer(value)) is not None and isinstance(node.op, Reshape):
        value = node.inputs[0]
    return value
