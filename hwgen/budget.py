"""What a quantized model would cost in hardware: the estimate that a budget of LUTs is kept by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hwgen.frontends import Source, lift
from hwgen.ir import Graph
from hwgen.passes import run_passes
from hwgen.schedule import schedule


def estimator(**hardware: Any) -> Callable[[Source], dict[str, float]]:
    """A function that tells the LUTs of a quantized model, layer by layer of the model.

    What stands behind a layer, up to the next, is the layer's; ``""`` has what belongs to none.
    ``hardware`` are arguments of :func:`hwgen.schedule.schedule`; all models meet one interval, the
    one given or what the balanced folding gives the first of them. Raises what lifting and
    scheduling raise.
    """
    wanted: int | None = hardware.pop("interval", None)
    balanced = hardware.get("folding", "balanced") == "balanced"

    def estimate(source: Source) -> dict[str, float]:
        nonlocal wanted
        graph = run_passes(lift(source))
        design = schedule(graph, interval=wanted, **hardware)
        if wanted is None and balanced:
            wanted = design.interval
            return estimate(source)
        layers, found = _owners(graph), {"": 0.0}
        for stage in design.stages:
            name = layers[stage.node.name]
            found[name] = found.get(name, 0.0) + stage.cost.lut
        for link in design.links:
            name = layers.get(design.source(link.value), "")
            found[name] = found.get(name, 0.0) + design.area(link).lut
        return found

    return estimate


def _owners(graph: Graph) -> dict[str, str]:
    """By node, the layer of the source model that it belongs to."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        weighted = node.op.macs(*graph.input_types(node)) and node.origin
        made = [graph.producer(value) for value in node.inputs]
        behind = next((found[n.name] for n in made if n is not None), "")
        found[node.name] = node.origin[0] if weighted else behind
    return found
