"""What every operator must pass: the reference, and every lowering and folding of it."""

from __future__ import annotations

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Folding, Lowering
from tests.hw.harness import measure, simulate


def frames_of(types: list[TensorType], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Random frames, the first two at the ends of the range."""
    frames = [rng.integers(t.range.lo, t.range.hi + 1, (count, *t.shape)) for t in types]
    for x, t in zip(frames, types, strict=True):
        x[0], x[1] = t.range.lo, t.range.hi
    return frames


def check_inference(op: Op, types: list[TensorType], rng: np.random.Generator) -> None:
    """Shape and range that ``infer`` states hold for what ``reference`` returns."""
    x = frames_of(types, 8, rng)
    y, stated = op.reference(*x), op.infer(*types)
    assert y.shape == (8, *stated.shape)
    assert y.dtype == np.int64
    assert y in stated.range


def foldings(op: Op, types: list[TensorType]) -> list[tuple[Lowering, Folding]]:
    """Every way to build the operator."""
    return [
        (lowering, folding)
        for lowering in Lowering.of(op)
        if lowering.applies(op, *types)
        for folding in lowering.foldings(op, *types)
    ]


def check_hardware(op: Op, types: list[TensorType], way: tuple[Lowering, Folding],
                   rng: np.random.Generator, *, stall: float = 0.0, frames: int = 3) -> None:  # fmt: skip
    """One lowering and folding gives the reference's integers, in the cycles it states."""
    lowering, folding = way
    x, y = frames_of(types, frames, rng), op.infer(*types)
    component = lowering.build(op, folding, *types)
    lanes_in, lanes_out = lowering.lanes(op, folding, *types)
    beats = [a.reshape(-1, lanes) for a, lanes in zip(x, lanes_in, strict=True)]
    wanted = frames * y.size // lanes_out
    result = simulate(component, beats, stall_in=stall, stall_out=stall,
                      seed=int(rng.integers(1 << 30)), expected_beats=wanted, watchdog=5000)  # fmt: skip
    np.testing.assert_array_equal(
        result.output.reshape(frames, *y.shape), op.reference(*x), err_msg=f"{op} {way}"
    )


def check_timing(op: Op, types: list[TensorType], way: tuple[Lowering, Folding],
                 rng: np.random.Generator) -> None:  # fmt: skip
    """The interval is what the cost says; the latency is not more."""
    lowering, folding = way
    frames = 4
    x, y = frames_of(types, frames, rng), op.infer(*types)
    component = lowering.build(op, folding, *types)
    lanes_in, lanes_out = lowering.lanes(op, folding, *types)
    beats = [a.reshape(-1, lanes) for a, lanes in zip(x, lanes_in, strict=True)]
    interval, latency = measure(
        component, beats, frames=frames, expected_beats=frames * y.size // lanes_out
    )
    cost = lowering.cost(op, folding, *types)
    assert interval == cost.interval, f"{way}: {interval} cycles, stated {cost.interval}"
    assert latency <= cost.latency, f"{way}: latency {latency}, stated {cost.latency}"
