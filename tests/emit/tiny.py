"""A network of two tiny stages with a ROM each, to test emission, simulation and synthesis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hwgen.core.intrange import IntRange
from hwgen.emit.manifest import EdgeInfo, Manifest, PortInfo, StageInfo
from hwgen.emit.templates import sim_files
from hwgen.emit.verilog import Emission, emit
from hwgen.hw.axi_stream import AxiPort, AxiStreamTop
from hwgen.hw.stream import element, words
from hwgen.hw.weight_memory import WeightMemory, pack
from hwgen.ir.graph import Graph, GraphBuilder, Port
from hwgen.ir.op import Op, frozen_array
from hwgen.ir.types import TensorType
from hwgen.lowering.base import Cost
from hwgen.verify.vectors import write_vectors


@dataclass(frozen=True, eq=False)
class Scale(Op):
    """``y[c] = x[c] * weight[c]`` with ``weight`` int64 ``(C,)``."""

    weight: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight))

    def infer(self, *x: TensorType) -> TensorType:
        weights = IntRange.of_array(self.weight)
        return TensorType(x[0].shape, weights * x[0].range)

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return x[0] * self.weight


class ScaleStage(Component):
    """One product per lane and beat; the weights come from a ROM. Latency 2 for one beat."""

    def __init__(self, op: Scale, x: TensorType, lanes: int) -> None:
        self.x, self.y, self.lanes = x, op.infer(x), lanes
        self.weight = IntRange.of_array(op.weight)
        width = self.weight.width
        self.rom = WeightMemory(pack(op.weight.reshape(-1, lanes), width), lanes * width)
        super().__init__({"i": In(words(lanes, x.range)), "o": Out(words(lanes, self.y.range))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.weights = rom = self.rom
        held, full = Signal(self.i.payload.shape(), name="held"), Signal()
        index = Signal(range(rom.depth), name="index")
        free = Signal()  # the product can leave
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(~full | free),
            rom.en.eq(self.i.valid & self.i.ready),
            rom.addr.eq(index),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(full)
            width = self.weight.width
            for lane in range(self.lanes):
                word = Signal(element(self.weight), name=f"weight_{lane}")
                m.d.comb += word.eq(rom.data[lane * width : (lane + 1) * width])
                m.d.sync += self.o.payload[lane].eq(held[lane] * word)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                held.eq(self.i.payload),
                full.eq(1),
                index.eq(Mux(index == rom.depth - 1, 0, index + 1)),
            ]
        with m.Elif(free):
            m.d.sync += full.eq(0)
        return m


class Core(Component):
    """Stages in a row."""

    def __init__(self, stages: Mapping[str, Component]) -> None:
        self.stages = dict(stages)
        parts = list(self.stages.values())
        super().__init__(
            {"i": parts[0].signature.members["i"], "o": parts[-1].signature.members["o"]}
        )

    def elaborate(self, platform):
        m = Module()
        previous = flipped(self.i)
        for name, stage in self.stages.items():
            m.submodules[name] = stage
            connect(m, previous, stage.i)
            previous = stage.o
        connect(m, previous, flipped(self.o))
        return m


def tiny_graph(channels: int = 64, pixels: int = 4, seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)
    x = TensorType((pixels, 1, channels), IntRange(-8, 7))
    builder = GraphBuilder("tiny")
    index = np.arange(x.size).reshape(x.shape)
    value = builder.input(x, Port("x", builder.fresh("x"), x.shape, index))
    for name in ("first", "second"):
        weight = np.concatenate([[-8, 7], rng.integers(-8, 8, channels - 2)])
        value = builder.add(Scale(weight), [value], name=name)
    builder.output(Port("y", value, x.shape, index))
    return builder.build()


def tiny_top(graph: Graph, lanes: int) -> AxiStreamTop:
    stages = {
        node.name: ScaleStage(node.op, *graph.input_types(node), lanes) for node in graph.nodes
    }
    ends = [(graph.inputs[0].value, "i"), (graph.outputs[0].value, "o")]
    (x,), (y,) = (
        [AxiPort(name, lanes, graph.type(v).range, graph.type(v).size // lanes)] for v, name in ends
    )
    return AxiStreamTop(Core(stages), [x], [y])


def build_tiny(folder: Path, *, lanes: int = 2, frames: int = 6, **shape: int) -> Emission:
    """A whole build folder of the tiny network."""
    graph = tiny_graph(**shape)
    emission = emit(tiny_top(graph, lanes), "tiny")
    emission.write(folder)
    x, y = (graph.type(port.value) for port in (graph.inputs[0], graph.outputs[0]))
    beats = x.size // lanes
    latency = beats - 1 + 2 * len(graph.nodes) + AxiStreamTop.LATENCY
    stages = tuple(
        StageInfo(
            node.name, type(node.op).__name__, "rom", 1, lanes, f"core.{node.name}",
            EdgeInfo.of(node.output, graph.type(node.output), lanes),
            Cost(0, 0, 0, 0, beats, beats + 1),
        )
        for node in graph.nodes
    )  # fmt: skip
    manifest = Manifest(
        "tiny", "tiny", 100.0, beats, latency,
        (PortInfo.at(graph.inputs[0], "s_axis", x, lanes),),
        (PortInfo.at(graph.outputs[0], "m_axis", y, lanes),),
        stages,
    )  # fmt: skip
    (folder / "manifest.json").write_text(manifest.text(), "utf-8")
    write_vectors(folder, graph, None, frames)
    for path, text in sim_files().items():
        (folder / path).write_text(text, "utf-8")
    return emission
