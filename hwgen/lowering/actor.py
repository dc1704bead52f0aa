"""When a stage takes and gives its beats: the token-level model behind FIFO depths.

An actor turns arrival times of input beats into the times at which it consumes them and at which
its output beats leave, all in cycles, for any number of frames. It assumes room at its output: the
links are then made deep enough that this holds. Stages are max-plus systems, so a schedule that
fits some depths is never beaten by what the hardware, which starts everything as soon as it can,
does with those depths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.hw.fifo import DISTRIBUTED


class Actor(ABC):
    """The timing of one stage."""

    @abstractmethod
    def run(self, arrivals: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        """(consumption times per input, departure times) for arrival times per input.

        Arrays hold the beats of all frames, rising; whole frames only.
        """


@dataclass(frozen=True, eq=False)
class Rigid(Actor):
    """A stage with one clock of its own, which stands still while a wanted beat is missing.

    ``takes``: for each input, the local cycle of a frame at which each beat is consumed.
    ``gives``: the local cycle at which each output beat is decided; it leaves ``delay`` later.
    ``interval``: local cycles per frame.    ``head``: cycles before it is taken that the first
    beat of a frame, at input 0, must be there.
    """

    takes: tuple[np.ndarray, ...]
    gives: np.ndarray
    interval: int
    delay: int = 1
    head: int = 0

    def run(self, arrivals: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        frames = len(arrivals[0]) // len(self.takes[0])
        takes = [_repeat(times, frames, self.interval) for times in self.takes]
        gives = _repeat(self.gives, frames, self.interval)
        # Local time t falls on cycle t + lag(t); each wanted beat can only raise the lag.
        per_frame = len(self.takes[0])
        when = np.concatenate([takes[0][::per_frame] - self.head, *takes])
        lags = np.concatenate([arrivals[0][::per_frame], *arrivals]) - when
        order = np.argsort(when, kind="stable")
        when, lags = when[order], np.maximum.accumulate(lags[order])

        def real(local: np.ndarray) -> np.ndarray:
            return local + lags[np.maximum(np.searchsorted(when, local, side="right") - 1, 0)]

        return [real(times) for times in takes], real(gives) + self.delay


@dataclass(frozen=True, eq=False)
class Windowed(Actor):
    """A serial window generator before a MAC array; see :class:`hwgen.hw.SlidingWindow`.

    ``places``: the word of the padded frame that each input beat becomes; ``frame`` its words;
    ``bases``, ``span``, ``reads``, ``depth`` as there; ``pace``: cycles between windows at least;
    ``gives``: cycles after the end of a window at which its outputs are decided.
    """

    places: np.ndarray
    frame: int
    bases: Sequence[int]
    span: int
    reads: int
    depth: int
    pace: int
    gives: np.ndarray
    delay: int = 1

    def run(self, arrivals: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        (arrived,) = arrivals
        frames = len(arrived) // len(self.places)
        places = _repeat(self.places, frames, self.frame)
        words = np.arange(frames * self.frame)
        lag = np.full(len(words), np.iinfo(np.int64).min // 2)
        lag[places] = arrived - places
        # The border before an image waits for its first pixel.
        firsts = np.arange(frames) * self.frame
        lag[firsts] = np.maximum(lag[firsts], arrived[:: len(self.places)] - firsts)
        lag = np.maximum.accumulate(lag)

        bases = (firsts[:, None] + np.asarray(self.bases)).ravel().tolist()
        ends, released, wait, end = [0] * len(bases), 0, -(1 << 60), -1
        waits = np.full(len(words), -(1 << 60))
        lags, slack = lag.tolist(), max(self.pace - self.reads, 0)
        for n, base in enumerate(bases):
            last = base + self.span - 1
            while bases[released] + self.depth <= last:
                limit = bases[released] + self.depth
                wait = max(wait, ends[released] + 1 - limit)
                waits[limit] = wait
                released += 1
            end = max(last + max(lags[last], wait), end + slack) + self.reads
            ends[n] = end
        for n in range(released, len(bases)):
            limit = bases[n] + self.depth
            if limit >= len(words):
                break
            waits[limit] = max(waits[limit], ends[n] + 1 - limit)
        written = words + np.maximum(lag, np.maximum.accumulate(waits))
        leaves = (np.array(ends)[:, None] + self.gives).ravel() + self.delay
        return [written[places]], np.maximum.accumulate(leaves)


@dataclass(frozen=True, eq=False)
class Blocks(Actor):
    """A buffer of two blocks: ``block`` beats enter, ``reads`` leave, by turns with the next block.

    The first beat of a block leaves ``delay`` cycles after its last has entered, and no sooner
    than those of the block before.
    """

    block: int
    reads: int
    delay: int = 2

    def run(self, arrivals: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        (arrived,) = arrivals
        blocks = arrived.reshape(-1, self.block)
        steps, consumed, starts = np.arange(self.block), np.empty_like(blocks), []
        for n, times in enumerate(blocks):
            # The memory of the block before last is free while its last beat leaves.
            room = starts[n - 2] + self.reads - 1 if n > 1 else 0
            earliest = np.maximum(times, max(room, consumed[n - 1, -1] + 1 if n else 0))
            consumed[n] = np.maximum.accumulate(earliest - steps) + steps
            busy = starts[-1] + self.reads if starts else 0
            starts.append(max(int(consumed[n, -1]) + self.delay, busy))
        leaves = np.asarray(starts)[:, None] + np.arange(self.reads)
        return [consumed.ravel()], leaves.ravel()


@dataclass(frozen=True, eq=False)
class Gated(Actor):
    """Two inputs: ``beats`` per frame, and ``gates`` that all must be there before the first.

    The gates of a frame may enter while the frame before is under way. Every beat leaves
    ``delay`` cycles after it was taken.
    """

    beats: int
    gates: int
    delay: int

    def run(self, arrivals: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        frames, gates = (
            times.reshape(-1, n)
            for times, n in zip(arrivals, (self.beats, self.gates), strict=True)
        )
        taken, held = np.empty_like(frames), np.empty_like(gates)
        steps, gate_steps = np.arange(self.beats), np.arange(self.gates)
        for n, (times, arrived) in enumerate(zip(frames, gates, strict=True)):
            room = max(held[n - 1, -1] + 1 if n else 0, taken[n - 2, -1] if n > 1 else 0)
            held[n] = np.maximum.accumulate(np.maximum(arrived, room) - gate_steps) + gate_steps
            start = max(held[n, -1] + 2, taken[n - 1, -1] + 1 if n else 0)
            taken[n] = np.maximum.accumulate(np.maximum(times, start) - steps) + steps
        return [taken.ravel(), held.ravel()], taken.ravel() + self.delay


def _repeat(times: np.ndarray, frames: int, interval: int) -> np.ndarray:
    """``times`` of one frame for ``frames`` of them, ``interval`` apart."""
    return (np.arange(frames)[:, None] * interval + np.asarray(times)).ravel()


def buffer_delay(depth: int) -> int:
    """Cycles from a beat's entry into an empty link of that depth to its exit: 0 for a wire."""
    return min(depth, 1) + (depth > DISTRIBUTED)


def streaming(beats: int, delay: int) -> Rigid:
    """One beat in, one beat out, every cycle."""
    times = np.arange(beats)
    return Rigid((times,), times, beats, delay)


def mac_actor(beats: int, passes: int, vectors: int, delay: int) -> Rigid:
    """A MAC array that takes ``beats`` per vector and makes ``passes`` over each."""
    starts = np.arange(vectors)[:, None] * beats * passes
    takes = (starts + np.arange(beats)).ravel()
    gives = (starts + np.arange(1, passes + 1) * beats - 1).ravel()
    return Rigid((takes,), gives, vectors * beats * passes, delay)
