"""How much hardware each stage gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hwgen.core.errors import Diagnostics, did_you_mean, fail
from hwgen.ir.graph import Graph, Node
from hwgen.lowering import DSPS, Folding
from hwgen.ops.reshape import Reshape
from hwgen.ops.threshold import Threshold
from hwgen.schedule.depths import with_depths
from hwgen.schedule.design import Design, Link, Stage, source_of
from hwgen.schedule.dsps import spend
from hwgen.schedule.option import Option, options

BALANCED_MACS = 64  # products per cycle in the largest layer, when nothing else is asked for


def schedule(graph: Graph, *, interval: int | None = None, folding: str | Path = "balanced",
             clock_mhz: float = 100.0, dsp: str | None = None,
             dsps: int | None = None) -> Design:  # fmt: skip
    """A design for ``graph``.

    ``interval``: cycles per frame that no stage may exceed; the cheapest folding that meets it is
    taken, stage by stage, which is the optimum. Without it, ``folding`` decides: ``serial`` (PE =
    SIMD = 1), ``balanced`` (about 64 products per cycle in the largest layer), ``parallel`` (all
    at once), or a JSON file ``{stage: {"pe": .., "simd": .., "lowering": ..}}`` such as each build
    writes. ``dsp``: the kind of DSPs that MAC arrays may multiply in, ``dsps`` of them at most; they
    go where they save most. Folding files name such lowerings themselves. Raises HW310 where no
    folding meets the interval, HW311 for an illegal one.
    """
    nodes = [node for node in graph.nodes if not isinstance(node.op, Reshape)]
    ways = {node.name: options(graph, node) for node in nodes}
    limit: Callable[[Option], bool] | None = None  # what else a stage may be
    match interval, folding:
        case int(), _:
            chosen, limit = _meet(graph, nodes, ways, interval, clock_mhz), _within(interval)
        case None, "serial":
            chosen = {name: _smallest(w) for name, w in ways.items()}
            limit = _serial
        case None, "parallel":
            chosen = {n: min(w, key=lambda o: (o.cost.interval, o.size)) for n, w in ways.items()}
        case None, "balanced":
            heaviest = max((node.op.macs(*graph.input_types(node)) for node in nodes), default=0)
            fastest = max((min(o.cost.interval for o in w) for w in ways.values()), default=1)
            target = max(heaviest // BALANCED_MACS, fastest)
            chosen, limit = _meet(graph, nodes, ways, target, clock_mhz), _within(target)
        case _:
            chosen = _from_file(graph, nodes, ways, Path(folding))
    if dsp is not None and limit:
        more = {node.name: options(graph, node, dsp) for node in nodes}
        chosen = spend({n: [o, *filter(limit, more[n])] for n, o in chosen.items()}, dsps)
    stages = tuple(
        Stage(node, chosen[node.name].lowering, chosen[node.name].folding,
              graph.input_types(node), chosen[node.name].cost)
        for node in nodes
    )  # fmt: skip
    design = with_depths(Design(graph, stages, tuple(_links(graph, stages)), clock_mhz))
    design.verify()
    return design


def _within(interval: int) -> Callable[[Option], bool]:
    return lambda option: option.cost.interval <= interval


def _serial(option: Option) -> bool:
    return option.folding == Folding()


def _smallest(ways: list[Option]) -> Option:
    """The option of least folding; the cheapest of several."""
    return min(ways, key=lambda option: (option.folding, option.size))


def _meet(graph: Graph, nodes: list[Node], ways: Mapping[str, list[Option]], interval: int,
          clock_mhz: float) -> dict[str, Option]:  # fmt: skip
    """The cheapest option of every stage within ``interval``."""
    problems, chosen = Diagnostics(), {}
    for node in nodes:
        fitting = [o for o in ways[node.name] if o.cost.interval <= interval]
        if fitting:
            chosen[node.name] = fitting[0]
            continue
        best = min(ways[node.name], key=lambda option: option.cost.interval)
        source = graph.input_types(node)
        problems.add(
            "HW310",
            where=f"node `{' + '.join(node.origin) or node.name}` "
            f"({type(node.op).__name__}, input {source[0]})",
            why=f"the largest legal folding, {best.folding}, takes {best.cost.interval} cycles per "
            f"frame; {interval} were asked for",
            help=f"ask for --interval {best.cost.interval} or more, or at {clock_mhz:g} MHz for "
            f"--fps {clock_mhz * 1e6 / best.cost.interval:.0f} or less",
        )
    problems.raise_if_any()
    return chosen


def _from_file(graph: Graph, nodes: list[Node], ways: Mapping[str, list[Option]],
               path: Path) -> dict[str, Option]:  # fmt: skip
    """The options that a folding file names; stages that it leaves out stay serial."""
    try:
        wanted: Any = json.loads(path.read_text("utf-8"))
        if not isinstance(wanted, dict) or not all(isinstance(e, dict) for e in wanted.values()):
            raise ValueError("it must hold one object per stage")
    except (OSError, ValueError, RecursionError) as error:
        fail("HW110", where=f"--folding {path}", why=f"not a folding file: {error}",
             help="give serial, balanced, parallel or the folding.json of a build")  # fmt: skip
    named = {str(entry.get("lowering")).rpartition("x")[0] for entry in wanted.values()}
    for dsp in (kind for kind in DSPS if kind in named):
        ways = {node.name: ways[node.name] + options(graph, node, dsp) for node in nodes}
    problems, chosen = Diagnostics(), {}
    for name in sorted(wanted.keys() - ways.keys()):
        problems.add("HW311", where=f"{path}: stage `{name}`", why="the model has no such stage",
                     help=f"{did_you_mean(name, ways)}its stages are {', '.join(ways)}")  # fmt: skip
    for name, found in ways.items():
        least = _smallest(found)
        entry = wanted.get(name, {})
        pe, simd = entry.get("pe", least.folding.pe), entry.get("simd", least.folding.simd)
        way = entry.get("lowering")
        fitting = [
            o for o in found
            if o.folding.pe == pe and (o.folding.simd == simd) and way in (None, o.lowering.name)
        ]  # fmt: skip
        if fitting:
            chosen[name] = fitting[0]
            continue
        pes, simds = ({getattr(o.folding, side) for o in found} for side in ("pe", "simd"))
        kinds = " or ".join(dict.fromkeys(o.lowering.name for o in found))
        problems.add(
            "HW311", where=f"{path}: stage `{name}`",
            why=f"PE={pe} SIMD={simd}{f' as {way}' if way else ''} is not legal",
            help=f"PE may be {_listed(pes)}; SIMD {_listed(simds)}; lowering {kinds}",
        )  # fmt: skip
    problems.raise_if_any()
    return chosen


def _listed(values: set[int]) -> str:
    return ", ".join(map(str, sorted(values)))


LONGEST_RUN = 8  # unrolled stages in a row that one ready passes through


def _links(graph: Graph, stages: tuple[Stage, ...]) -> Iterator[Link]:
    """The streams between stages. Narrow streams get a skid buffer, which cuts every path.

    Accumulators are wide and their consumer, a threshold, is registered: that link is a wire. So
    is one between unrolled stages, where each adds only a gate to the path of ready.
    """
    made = {stage.node.name: stage for stage in stages}
    used: dict[str, int] = {}
    run: dict[str, int] = {}  # unrolled stages in a row, up to and with each
    for stage in stages:
        for index, name in enumerate(stage.node.inputs):
            value, lanes = source_of(graph, name), stage.lanes[0][index]
            producer = made.get(value)
            lanes_from = producer.lanes[1] if producer else used.setdefault(value, lanes)
            before = run.get(value, 0)
            joined = before < LONGEST_RUN and lanes_from == lanes
            joined = joined and producer is not None and stage.lowering.unrolled
            depth = 0 if producer is None or _is_wire(producer, stage, joined=joined) else 2
            if stage.lowering.unrolled:
                run[stage.node.name] = 1 + (0 if depth else before)
            elements = graph.type(value).size
            yield Link(value, stage.node.name, index, lanes_from, lanes, elements, depth)
    for index, port in enumerate(graph.outputs):
        value = source_of(graph, port.value)
        producer = made.get(value)
        lanes = producer.lanes[1] if producer else used.setdefault(value, 1)
        yield Link(value, "", index, lanes, lanes, graph.type(value).size)


def _is_wire(producer: Stage, consumer: Stage, *, joined: bool) -> bool:
    """Whether no buffer stands between two stages; ``joined``: of the same lanes, both unrolled."""
    wide = producer.node.op.macs(*producer.inputs) > 0
    if not producer.lowering.unrolled:
        return wide
    # An unrolled product leaves its last adders unregistered.
    return isinstance(consumer.node.op, Threshold) if wide else joined
