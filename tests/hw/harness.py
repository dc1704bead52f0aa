"""Simulates one component: stalls, stream rules, timing, reset in flight.

The only file of the component tests that calls Amaranth's simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module, Shape
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator

QUIET = 6  # cycles watched after the last beat, for one too many


@dataclass(frozen=True)
class Result:
    """What moved since the last reset, and when.

    ``outputs[p]``: int64 (beats, lanes) of output p. ``in_cycles[p]``, ``out_cycles[p]``: cycle
    of every transfer, counted from the first cycle after reset.
    """

    outputs: list[np.ndarray]
    in_cycles: list[np.ndarray]
    out_cycles: list[np.ndarray]

    @property
    def output(self) -> np.ndarray:
        """The beats of the only output."""
        (beats,) = self.outputs
        return beats


def to_beats(frames: np.ndarray, lanes: int) -> np.ndarray:
    """The beats (beats, lanes) of frames (N, ...), lane 0 first."""
    return np.asarray(frames).reshape(-1, lanes)


def from_beats(beats: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The frames (N, *shape) that beats (beats, lanes) carry."""
    return beats.reshape(-1, *shape)


class _Port:
    """A stream port and the neighbour behind it, which pauses at random."""

    def __init__(self, name: str, stream: Any, stall: float, random: Random) -> None:
        layout = stream.payload.shape()
        element = Shape.cast(layout.elem_shape)
        self.name, self.lanes = name, layout.length
        self.width, self.signed = element.width, element.signed
        self.valid, self.ready = stream.valid, stream.ready
        self.payload = stream.payload.as_value()
        self.stall, self.random = stall, random
        self.restart()

    def restart(self) -> None:
        self.cycles: list[int] = []
        self.beats: list[int] = []
        self.pending = False  # a beat is offered and has not moved yet
        self.held = 0

    def willing(self) -> bool:
        return not self.stall or self.random.random() >= self.stall

    def pack(self, beats: np.ndarray) -> list[int]:
        """One integer per beat, lane 0 in the low bits. ValueError where a value does not fit."""
        if beats.ndim != 2 or beats.shape[1] != self.lanes:
            raise ValueError(f"{self.name} has {self.lanes} lanes, beats are {beats.shape}")
        low = -(1 << (self.width - 1)) if self.signed else 0
        if beats.size and not low <= beats.min() <= beats.max() < low + (1 << self.width):
            raise ValueError(f"stimulus of {self.name} does not fit {self.width} bits")
        mask = (1 << self.width) - 1
        shifts = [self.width * lane for lane in range(self.lanes)]
        return [
            sum((v & mask) << s for v, s in zip(row, shifts, strict=True)) for row in beats.tolist()
        ]

    def unpack(self) -> np.ndarray:
        """The inverse of :meth:`pack`, for the beats received."""
        mask, sign = (1 << self.width) - 1, self.signed << (self.width - 1)
        shifts = [self.width * lane for lane in range(self.lanes)]
        rows = [[(((beat >> s) & mask) ^ sign) - sign for s in shifts] for beat in self.beats]
        return np.array(rows, np.int64).reshape(-1, self.lanes)


def _streams(component: Component, prefix: str) -> list[tuple[str, Any]]:
    """The ports ``i``, or ``i0``, ``i1`` ... (or ``o`` ...), in order."""
    members = [name for name in component.signature.members if name[0] == prefix]
    members = sorted(
        (n for n in members if n[1:].isdigit() or not n[1:]), key=lambda n: (len(n), n)
    )
    return [(name, getattr(component, name)) for name in members]


class _Bench:
    """Both sides of the component, cycle by cycle."""

    def __init__(self, component: Component, inputs: Any, wanted: Any, options: Any) -> None:
        stall_in, stall_out, seed, self.watchdog, self.reset_at = options
        random = Random(seed)
        self.ins = [_Port(*port, stall_in, random) for port in _streams(component, "i")]
        self.outs = [_Port(*port, stall_out, random) for port in _streams(component, "o")]
        inputs = [inputs] if isinstance(inputs, np.ndarray) else inputs
        self.stimuli = [p.pack(np.asarray(x)) for p, x in zip(self.ins, inputs, strict=True)]
        self.wanted = [wanted] if isinstance(wanted, int) else list(wanted)
        self.goals = [len(s) for s in self.stimuli] + self.wanted
        if len(self.wanted) != len(self.outs):
            raise ValueError(f"expected_beats must have {len(self.outs)} numbers, not {wanted!r}")
        self.module = Module()
        self.module.domains.sync = self.domain = ClockDomain("sync")
        self.module.submodules.dut = component

    async def run(self, ctx: Any) -> None:
        ports = self.ins + self.outs
        cycle = still = quiet = 0
        while quiet < QUIET:
            resetting = cycle == self.reset_at
            ctx.set(self.domain.rst, resetting)
            for port, beats in zip(self.ins, self.stimuli, strict=True):
                sent = len(port.cycles)
                port.pending = port.pending or (sent < len(beats) and port.willing())
                ctx.set(port.valid, port.pending)
                ctx.set(port.payload, beats[sent] if port.pending else -1)  # else: not to be used
            readies = [port.willing() for port in self.outs]
            # First the opposite of each ready, then itself: nothing may follow it.
            probe, shown = [], []
            for flip, seen in ((True, probe), (False, shown)):
                for port, ready in zip(self.outs, readies, strict=True):
                    ctx.set(port.ready, ready ^ flip)
                seen += [(ctx.get(port.valid), ctx.get(port.payload)) for port in self.outs]
            accepted = [ctx.get(port.ready) for port in self.ins]
            await ctx.edge(self.domain.clk, 1)
            if resetting:
                for port in ports:
                    port.restart()
                self.reset_at, cycle, still, quiet = None, 0, 0, 0
                continue
            before = sum(len(port.cycles) for port in ports)
            for k, port in enumerate(self.outs):
                self.receive(port, cycle, readies[k], self.wanted[k], probe[k], shown[k])
            for port, ready in zip(self.ins, accepted, strict=True):
                if port.pending and ready:
                    port.pending = False
                    port.cycles.append(cycle)
            counts = [len(port.cycles) for port in ports]
            still = 0 if sum(counts) > before else still + 1
            finished = counts == self.goals and self.reset_at is None
            quiet = quiet + 1 if finished else 0
            if not finished and still > self.watchdog and self.reset_at is None:
                state = ", ".join(
                    f"{port.name} {count} of {goal}"
                    for port, count, goal in zip(ports, counts, self.goals, strict=True)
                )
                raise AssertionError(f"no progress for {still} cycles, at cycle {cycle}: {state}")
            cycle += 1

    @staticmethod
    def receive(
        port: _Port,
        cycle: int,
        ready: bool,
        wanted: int,
        seen: tuple[int, int],
        shown: tuple[int, int],
    ) -> None:
        """Takes one cycle of an output; AssertionError where it breaks a rule of streams."""
        (valid, payload), place = shown, f"{port.name} in cycle {cycle}"
        assert valid == seen[0], f"valid of {place} depends on ready"
        assert not valid or payload == seen[1], f"payload of {place} depends on ready"
        if port.pending:
            assert valid, f"valid of {place} fell before the beat moved"
            assert payload == port.held, f"payload of {place} changed before the beat moved"
        port.pending, port.held = bool(valid and not ready), payload
        if valid:
            assert len(port.beats) < wanted, f"{place} offers more than {wanted} beats"
        if valid and ready:
            port.beats.append(payload)
            port.cycles.append(cycle)


def simulate(
    component: Component,
    inputs: np.ndarray | Sequence[np.ndarray],
    *,
    expected_beats: int | Sequence[int],
    stall_in: float = 0.0,
    stall_out: float = 0.0,
    seed: int = 0,
    watchdog: int = 300,
    reset_at: int | None = None,
) -> Result:
    """Streams ``inputs``, an array (beats, lanes) per input port, and collects every output.

    ``stall_in`` and ``stall_out``: probability that a neighbour pauses, per cycle and port.
    ``reset_at``: in that cycle the reset is high, whatever is in flight; then all inputs are
    streamed again from their start, and only what follows is returned.

    Raises AssertionError where an output breaks a rule of :mod:`hwgen.hw.stream` or gives more
    beats than expected, and where nothing moves for ``watchdog`` cycles.
    """
    options = (stall_in, stall_out, seed, watchdog, reset_at)
    bench = _Bench(component, inputs, expected_beats, options)
    simulator = Simulator(bench.module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench.run)
    simulator.run()
    return Result(
        [port.unpack() for port in bench.outs],
        [np.array(port.cycles) for port in bench.ins],
        [np.array(port.cycles) for port in bench.outs],
    )


def measure(
    component: Component,
    inputs: np.ndarray | Sequence[np.ndarray],
    *,
    frames: int,
    expected_beats: int | Sequence[int],
) -> tuple[int, int]:
    """(interval, latency) of ``frames`` frames back to back through neighbours that never stall.

    interval: between the last output transfers of the last two frames. latency: of the first.
    """
    return timing(simulate(component, inputs, expected_beats=expected_beats), frames)


def timing(result: Result, frames: int) -> tuple[int, int]:
    """(interval, latency) of a run of at least two frames without stalls."""
    ends = np.max([c.reshape(frames, -1)[:, -1] for c in result.out_cycles], axis=0)
    start = min(int(c[0]) for c in result.in_cycles)
    return int(ends[-1] - ends[-2]), int(ends[0]) - start


def check(
    component: Any,
    inputs: np.ndarray | Sequence[np.ndarray],
    outputs: np.ndarray | Sequence[np.ndarray],
    *,
    frames: int,
    seed: int = 0,
) -> None:
    """The whole contract of a component: every beat, its rules, its timing, its reset.

    Streams ``frames`` frames three times: without stalls, where ``interval`` and ``latency`` must
    be as measured; with stalls on both sides; and with stalls and a reset in flight.
    """
    wanted = [outputs] if isinstance(outputs, np.ndarray) else list(outputs)

    def run(**options: Any) -> Result:
        counts = [len(beats) for beats in wanted]
        result = simulate(component, inputs, expected_beats=counts, **options)
        for got, want in zip(result.outputs, wanted, strict=True):
            np.testing.assert_array_equal(got, want)
        return result

    result = run()
    assert timing(result, frames) == (component.interval, component.latency), "as measured"
    random = Random(seed)
    stalls = {"stall_in": random.choice((0.1, 0.5)), "stall_out": random.choice((0.1, 0.5))}
    run(**stalls, seed=seed)
    run(**stalls, seed=seed + 1, reset_at=random.randrange(2 + int(result.out_cycles[0][-1])))
