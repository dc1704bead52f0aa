"""What every operator must pass: the reference, and every lowering and folding of it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from hwgen.core.intrange import IntRange
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering import Folding, Lowering
from tests.hw.harness import Result, simulate, timing

Way = tuple[Lowering, Folding]


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


def check_range_is_reached(op: Op, types: list[TensorType]) -> None:
    """The stated range is the tightest, for operators that are monotone in every input."""
    corners = list(product(*((t.range.lo, t.range.hi) for t in types)))
    x = [np.stack([np.full(t.shape, corner[k]) for corner in corners]) for k, t in enumerate(types)]
    assert IntRange.of_array(op.reference(*x)) == op.infer(*types).range


def foldings(op: Op, types: list[TensorType]) -> list[Way]:
    """Every way to build the operator."""
    return [
        (lowering, folding)
        for lowering in Lowering.of(op)
        if lowering.applies(op, *types)
        for folding in lowering.foldings(op, *types)
    ]


def _run(op: Op, types: list[TensorType], way: Way, x: list[np.ndarray], **options: Any) -> Result:
    """Streams frames through one lowering and folding; the outputs must be the reference's."""
    lowering, folding = way
    y = op.reference(*x)
    lanes_in, lanes_out = lowering.lanes(op, folding, *types)
    beats = [a.reshape(-1, lanes) for a, lanes in zip(x, lanes_in, strict=True)]
    result = simulate(lowering.build(op, folding, *types), beats,
                      expected_beats=y.size // lanes_out, watchdog=5000, **options)  # fmt: skip
    np.testing.assert_array_equal(result.output.reshape(y.shape), y, err_msg=f"{op} {way}")
    return result


def check_hardware(
    op: Op, types: list[TensorType], way: Way, rng: np.random.Generator, *,
    stall: float = 0.0, frames: int = 3, reset_at: int | None = None,
) -> None:  # fmt: skip
    """One lowering and folding gives the reference's integers."""
    _run(op, types, way, frames_of(types, frames, rng), stall_in=stall, stall_out=stall,
         seed=int(rng.integers(1 << 30)), reset_at=reset_at)  # fmt: skip


def check_timing(op: Op, types: list[TensorType], way: Way, rng: np.random.Generator) -> None:
    """The interval is what the cost says; the latency is not more."""
    lowering, folding = way
    result = _run(op, types, way, frames_of(types, 4, rng))
    interval, latency = timing(result, 4)
    cost = lowering.cost(op, folding, *types)
    assert interval == cost.interval, f"{way}: {interval} cycles, stated {cost.interval}"
    assert latency <= cost.latency, f"{way}: latency {latency}, stated {cost.latency}"


def check_actor(op: Op, types: list[TensorType], way: Way, rng: np.random.Generator, *,
                stall: float = 0.0) -> None:  # fmt: skip
    """For beats that arrive when they did, the model of the stage never promises one too soon."""
    lowering, folding = way
    result = _run(op, types, way, frames_of(types, 4, rng), stall_in=stall,
                  seed=int(rng.integers(1 << 30)))  # fmt: skip
    consumed, leaves = lowering.actor(op, folding, *types).run(result.in_cycles)
    for arrived, taken in zip(result.in_cycles, consumed, strict=True):
        assert len(taken) == len(arrived)
        assert (taken >= arrived).all()
    assert len(leaves) == len(result.out_cycles[0])
    assert (leaves >= result.out_cycles[0]).all(), f"{op} {types} {way}"


def check_pace(op: Op, types: list[TensorType], way: Way) -> None:
    """With all beats there from the start, the model makes a frame per interval."""
    lowering, folding = way
    lanes_in, _ = lowering.lanes(op, folding, *types)
    frames = 12
    arrivals = [
        np.zeros(frames * t.size // n, np.int64) for t, n in zip(types, lanes_in, strict=True)
    ]
    _, leaves = lowering.actor(op, folding, *types).run(arrivals)
    ends = leaves.reshape(frames, -1)[:, -1]
    interval = lowering.cost(op, folding, *types).interval
    assert ends[-1] - ends[-5] == 4 * interval, f"{op} {types} {way}: {np.diff(ends)}"


def check_operator(op: Op, types: list[TensorType], way: Way, rng: np.random.Generator) -> None:
    """All of the above for one lowering and folding."""
    check_inference(op, types, rng)
    check_hardware(op, types, way, rng, stall=0.3)
    check_hardware(op, types, way, rng, stall=0.3, reset_at=int(rng.integers(40)))
    check_timing(op, types, way, rng)
    check_actor(op, types, way, rng)
    check_actor(op, types, way, rng, stall=0.5)
    check_pace(op, types, way)
