"""How deep each link must be for the slowest stage never to wait: from a model of the tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.lowering.actor import buffer_delay
from hwgen.schedule.design import Design, Link, Stage

FRAMES, MOST_FRAMES = 4, 64  # modelled; the first ones differ, since the network fills


def with_depths(design: Design) -> Design:
    """``design`` with links that hold what piles up when every frame takes one interval.

    The input arrives evenly spread at the rate of the slowest stage; every stage works as soon as
    it can, with room at its output. The greatest number of beats that wait on a link in that
    schedule is depth enough: the hardware, starting everything as early as its buffers let it, is
    not slower than any schedule that fits them. That holds for forks and joins of any shape, so
    that they cannot deadlock either.
    """
    frames = FRAMES
    links, settled = _schedule(design, frames)
    while not settled and frames < MOST_FRAMES:
        frames *= 2
        links, settled = _schedule(design, frames)
    return replace(
        design, links=tuple(links.get((link.consumer, link.index), link) for link in design.links)
    )


def _schedule(design: Design, frames: int) -> tuple[dict[tuple[str, int], Link], bool]:
    """The fitted links by consumer and index, and whether so many frames show all that can pile up.

    They do once a frame follows the one before by an interval in every beat of every stage, and
    there are more of them than are under way at once.
    """
    links = {(link.consumer, link.index): link for link in design.links}
    departures = _sources(design, frames)
    settled = True
    for stage in design.stages:
        keys = [(stage.node.name, k) for k in range(len(stage.inputs))]
        departed = [departures[links[key].value] for key in keys]
        fitted, leaves = _stage(stage, [links[key] for key in keys], departed)
        links.update(zip(keys, fitted, strict=True))
        departures[stage.node.output] = leaves
        by_frame = leaves.reshape(frames, -1)
        steady = by_frame[-2] - by_frame[-3] == design.interval  # behind the last, nothing follows
        under_way = -(-by_frame[0, -1] // design.interval)
        settled = settled and bool(steady.all()) and bool(under_way <= frames - 2)
    return links, settled


def _stage(
    stage: Stage, links: list[Link], departed: list[np.ndarray]
) -> tuple[list[Link], np.ndarray]:
    """Links into a stage that hold what waits there, and when its beats leave.

    A deeper link takes longer to pass, which may change what waits: until nothing changes.
    """
    actor = stage.lowering.actor(stage.node.op, stage.folding, *stage.inputs)
    while True:
        arrivals = [_arrivals(times, link) for times, link in zip(departed, links, strict=True)]
        consumed, leaves = actor.run(arrivals)
        waiting = [_waiting(*each) for each in zip(departed, consumed, links, strict=True)]
        fitted = [_fitted(link, count) for link, count in zip(links, waiting, strict=True)]
        if [_latency(link) for link in fitted] == [_latency(link) for link in links]:
            return fitted, leaves
        links = fitted


def occupancy(departed: np.ndarray, released: np.ndarray) -> int:
    """The greatest number of beats that have departed and are not yet released."""
    gone = np.searchsorted(released, departed, side="left")
    return int((np.arange(1, len(departed) + 1) - gone).max())


def _fitted(link: Link, waiting: int) -> Link:
    """The maker's output register holds one beat, a skid buffer two; more take a FIFO."""
    return link if waiting <= max(link.depth, 1) else replace(link, depth=waiting)


def _latency(link: Link) -> int:
    """Cycles from a beat's departure to its arrival: the buffer's, and that of collecting lanes."""
    return buffer_delay(link.depth) + (link.lanes_from % link.lanes_to > 0)


def _sources(design: Design, frames: int) -> dict[str, np.ndarray]:
    """Arrival times of the graph's inputs: evenly spread over the interval."""
    times = {}
    for port in design.graph.inputs:
        lanes = next((k.lanes_from for k in design.links if k.value == port.value), 1)
        beats = design.graph.type(port.value).size // lanes
        even = np.arange(beats) * design.interval // beats
        starts = np.arange(frames)[:, None] * design.interval
        times[port.value] = (starts + even).ravel()
    return times


def _arrivals(departed: np.ndarray, link: Link) -> np.ndarray:
    """When each beat of the consumer is whole: when the last of its elements has departed."""
    return departed[_last(link.lanes_to, link.lanes_from, len(departed))] + _latency(link)


def _waiting(departed: np.ndarray, consumed: np.ndarray, link: Link) -> int:
    """The greatest number of beats of the link's wider side that wait in it.

    A beat that has been collected waits where the next one is collected: where that begins before
    the first is gone, they are two.
    """
    if link.lanes_to > link.lanes_from:
        last = _last(link.lanes_to, link.lanes_from, len(departed))
        in_the_way = bool((consumed[:-1] > departed[last[:-1] + 1]).any())
        return max(occupancy(departed[last], consumed), 1 + in_the_way)
    return occupancy(departed, consumed[_last(link.lanes_from, link.lanes_to, len(consumed))])


def _last(wanted: int, given: int, count: int) -> np.ndarray:
    """For beats of ``wanted`` lanes cut from ``count`` of ``given``: the beat that ends each."""
    beats = count * given // wanted
    return (np.arange(1, beats + 1) * wanted - 1) // given
