"""A design as one component: stages, and the streams between them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hwgen.core.intrange import IntRange
from hwgen.hw.axi_stream import AxiPort
from hwgen.hw.fifo import StreamFIFO
from hwgen.hw.fork import Fork
from hwgen.hw.skid_buffer import SkidBuffer
from hwgen.hw.stream import words
from hwgen.hw.width_converter import WidthConverter
from hwgen.schedule.design import Design, Link


class DataflowCore(Component):
    """The stages of a design, each a submodule under its node's name, joined by streams.

    Members: ``i0``, ``i1`` ... for the graph's inputs, ``o0``, ``o1`` ... for its outputs.
    """

    def __init__(self, design: Design):
        self.design = design
        graph = design.graph
        ports = {}
        for index, port in enumerate(graph.inputs):
            lanes = self._input_lanes(port.value)
            ports[f"i{index}"] = In(words(lanes, graph.type(port.value).range))
        for index, link in enumerate(self._links_to("")):
            ports[f"o{index}"] = Out(words(link.lanes_to, graph.type(link.value).range))
        super().__init__(ports)

    def _links_to(self, consumer: str) -> list[Link]:
        links = [link for link in self.design.links if link.consumer == consumer]
        return sorted(links, key=lambda link: link.index)

    def _input_lanes(self, value: str) -> int:
        return next((k.lanes_from for k in self.design.links if k.value == value), 1)

    def _unrolled(self, value: str) -> bool:
        """Whether one unrolled stage, and nothing else, takes an input as it is."""
        links = [link for link in self.design.links if link.value == value]
        return len(links) == 1 and bool(links[0].consumer) and (
            self.design.stage(links[0].consumer).lowering.unrolled
            and links[0].lanes_from == links[0].lanes_to and not links[0].depth
        )  # fmt: skip

    def boundary(self) -> tuple[list[AxiPort], list[AxiPort]]:
        """The ports of the core as AXI4-Stream ports, inputs and outputs."""
        graph = self.design.graph
        inputs, outputs = [], []
        for index, port in enumerate(graph.inputs):
            type_, lanes = graph.type(port.value), self._input_lanes(port.value)
            beats, registered = type_.size // lanes, self._unrolled(port.value)
            inputs.append(AxiPort(f"i{index}", lanes, type_.range, beats, port.value, registered))
        for index, (port, link) in enumerate(zip(graph.outputs, self._links_to(""), strict=True)):
            type_ = graph.type(port.value)
            beats = type_.size // link.lanes_to
            outputs.append(AxiPort(f"o{index}", link.lanes_to, type_.range, beats, port.value))
        return inputs, outputs

    def elaborate(self, platform):
        m = Module()
        graph = self.design.graph
        streams = {
            port.value: flipped(getattr(self, f"i{index}"))
            for index, port in enumerate(graph.inputs)
        }
        sinks = {("", index): flipped(getattr(self, f"o{index}"))
                 for index in range(len(graph.outputs))}  # fmt: skip
        for stage in self.design.stages:
            part = stage.lowering.build(stage.node.op, stage.folding, *stage.inputs)
            m.submodules[stage.node.name] = part
            streams[stage.node.output] = part.o
            for index in range(len(stage.inputs)):
                single = len(stage.inputs) == 1
                sinks[stage.node.name, index] = part.i if single else getattr(part, f"i{index}")
        for value in dict.fromkeys(link.value for link in self.design.links):
            links = [link for link in self.design.links if link.value == value]
            range_ = graph.type(value).range
            source = streams[value]
            branches = [source]
            if len(links) > 1:
                m.submodules[f"{value}_fork"] = fork = Fork(links[0].lanes_from, range_, len(links))
                connect(m, source, fork.i)
                branches = [getattr(fork, f"o{k}") for k in range(len(links))]
            for link, branch in zip(links, branches, strict=True):
                self._link(m, link, branch, sinks[link.consumer, link.index], range_)
        return m

    @staticmethod
    def _link(m: Module, link: Link, source: Any, sink: Any, range_: IntRange) -> None:
        """A buffer on the wider side, where beats are slow, and a change of lanes."""
        parts: dict[str, Any] = {}
        lanes = max(link.lanes_from, link.lanes_to)
        if link.depth == 2:
            parts["skid"] = SkidBuffer(lanes, range_)
        elif link.depth:
            parts["fifo"] = StreamFIFO(lanes, range_, link.depth)
        if link.lanes_from != link.lanes_to:
            parts["width"] = WidthConverter(range_, link.lanes_from, link.lanes_to)
        ordered = parts.items()
        if link.lanes_to > link.lanes_from:
            ordered = reversed(ordered)
        name = f"{link.consumer or 'output'}_in" + (str(link.index) if link.index else "")
        for kind, part in ordered:
            m.submodules[f"{name}_{kind}"] = part
            connect(m, source, part.i)
            source = part.o
        connect(m, source, sink)
