"""The report of a build as Markdown tables."""

from __future__ import annotations

import re

from hwgen.core.names import identifier
from hwgen.ir.graph import Graph
from hwgen.schedule import Design

COLUMNS = ("stage", "op", "output", "PE", "SIMD", "cycles/frame", "LUT", "FF", "BRAM", "DSP")


def rows(design: Design) -> list[tuple[str, ...]]:
    """One row of :data:`COLUMNS` per stage; the slowest is marked."""
    slowest = design.bottleneck
    return [
        (
            s.node.name + (" *" if s.node.name == slowest else ""), type(s.node.op).__name__,
            str(design.graph.type(s.node.output)), str(s.folding.pe), str(s.folding.simd),
            str(s.cost.interval), str(s.cost.lut), str(s.cost.ff), f"{s.cost.bram:g}",
            str(s.cost.dsp),
        )
        for s in design.stages
    ]  # fmt: skip


def host_table(graph: Graph) -> str:
    """What is left to the host: real numbers to integers before, and back behind."""
    rows = [
        f"| {side} | {cell(port.name)} | {'x'.join(map(str, port.shape))} {port.dtype} | "
        f"{cell(str(port.chain) or 'nothing')} | {graph.type(port.value)} |"
        for side, ports in (("input", graph.inputs), ("output", graph.outputs)) for port in ports
    ]  # fmt: skip
    return "\n".join([
        "## On the host", "",
        "Inputs become integers by these functions, and the output integers real numbers.", "",
        "| | tensor | of the model | function | of the hardware |", "|---|---|---|---|---|", *rows, "",
    ])  # fmt: skip


def cell(text: str, limit: int = 120) -> str:
    """Words of a model file, harmless in a table."""
    return re.sub(r"[^\w .:;,()/+*=%-]", "_", text, flags=re.ASCII)[:limit]


def report(design: Design) -> str:
    """The whole report."""
    graph, total = design.graph, design.total()
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    table += ["| " + " | ".join(row) + " |" for row in rows(design)]
    return "\n".join([
        f"# {identifier(graph.name)}", "",
        f"- {graph.macs()} multiply-accumulates per frame",
        f"- interval {design.interval} cycles: {design.fps:.0f} frames/s at {design.clock_mhz:g} "
        f"MHz; the slowest stage is marked *",
        f"- estimate: {total.lut} LUT, {total.ff} FF, {total.bram:g} BRAM36, {total.dsp} DSP",
        "", *table, "",
        "Cycles are exact. LUT, FF and BRAM are estimates; `hwgen synth` measures them.", "",
    ])  # fmt: skip
