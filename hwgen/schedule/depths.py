"""How deep each link must be for the slowest stage never to wait: from a model of the tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.ir.graph import Graph
from hwgen.schedule.design import Design, Link, Stage

FRAMES = 4  # the first frames differ, since the network fills
LINK_LATENCY = 2  # cycles through a FIFO or a skid buffer


def with_depths(design: Design) -> Design:
    """``design`` with links that hold what piles up when every frame takes one interval.

    The input arrives evenly spread at the rate of the slowest stage; every stage works as soon as
    it can, with room at its output. The greatest number of beats that wait on a link in that
    schedule is depth enough: the hardware, starting everything as early as its buffers let it, is
    not slower than any schedule that fits them.
    """
    links = {(link.consumer, link.index): link for link in design.links}
    departures: dict[str, np.ndarray] = _sources(design)
    depths: dict[tuple[str, int], int] = {}
    for stage in design.stages:
        inputs = [links[stage.node.name, k] for k in range(len(stage.inputs))]
        arrivals = [_arrivals(departures[link.value], link) for link in inputs]
        consumed, leaves = _actor(stage).run(arrivals)
        departures[stage.node.output] = leaves
        for link, times in zip(inputs, consumed, strict=True):
            waiting = _waiting(departures[link.value], times, link)
            depths[link.consumer, link.index] = waiting
    fitted = tuple(
        _fitted(link, depths.get((link.consumer, link.index), 0)) for link in design.links
    )
    return replace(design, links=fitted)


def occupancy(departed: np.ndarray, released: np.ndarray) -> int:
    """The greatest number of beats that have departed and are not yet released."""
    gone = np.searchsorted(released, departed, side="left")
    return int((np.arange(1, len(departed) + 1) - gone).max())


def _fitted(link: Link, waiting: int) -> Link:
    """The maker's output register holds one beat, a skid buffer two; more take a FIFO."""
    if waiting <= 1:
        return link
    return replace(link, depth=max(link.depth, 2) if waiting <= 2 else waiting)


def _actor(stage: Stage):
    return stage.lowering.actor(stage.node.op, stage.folding, *stage.inputs)


def _sources(design: Design) -> dict[str, np.ndarray]:
    """Arrival times of the graph's inputs: evenly spread over the interval."""
    graph: Graph = design.graph
    times = {}
    for port in graph.inputs:
        lanes = next((k.lanes_from for k in design.links if k.value == port.value), 1)
        beats = graph.type(port.value).size // lanes
        even = np.arange(beats) * design.interval // beats
        frames = np.arange(FRAMES)[:, None] * design.interval
        times[port.value] = (frames + even).ravel()
    return times


def _arrivals(departed: np.ndarray, link: Link) -> np.ndarray:
    """When each beat of the consumer is whole: when the last of its elements has departed."""
    return departed[_last(link.lanes_to, link.lanes_from, len(departed))] + LINK_LATENCY


def _waiting(departed: np.ndarray, consumed: np.ndarray, link: Link) -> int:
    """The greatest number of beats of the link's wider side that wait in it."""
    if link.lanes_to > link.lanes_from:
        entered = departed[_last(link.lanes_to, link.lanes_from, len(departed))]
        return occupancy(entered, consumed)
    return occupancy(departed, consumed[_last(link.lanes_from, link.lanes_to, len(consumed))])


def _last(wanted: int, given: int, count: int) -> np.ndarray:
    """For beats of ``wanted`` lanes cut from ``count`` of ``given``: the beat that ends each."""
    beats = count * given // wanted
    return (np.arange(1, beats + 1) * wanted - 1) // given
