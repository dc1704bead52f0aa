"""Evidence: the integer graph beside the model's own runtime, quantizer by quantizer.

Every quantizer of the model is compared by itself: the graph's operators up to it are given the
integers that the *source model* has at the quantizers before, so that a difference shows where it
arises and nowhere else. Where the codes differ, the real number before the rounding is computed
again in float64 from exact integers. If it lies as near to the rounding boundary as the source's
own float32 arithmetic is off, the difference is a tie, which the order of a sum decides; anything
else is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hwgen.frontends.importer import Lifting, Quantizer
from hwgen.frontends.lifted import Joint, Lifted, affine_of
from hwgen.frontends.oracle import run_source
from hwgen.frontends.read import Source
from hwgen.ir.chain import Chain
from hwgen.ir.execute import run_frames
from hwgen.ir.graph import Graph, Port
from hwgen.ir.types import TensorType

NOISE = 2.0**-16  # the most that float32 sums may be off, as a part of a layer's largest number
EXACT = 2.0**-22  # the same of a few float32 operations on an exact integer
WORK = 1 << 31  # operations that a comparison may take


@dataclass(frozen=True, slots=True)
class Row:
    """One quantizer or output: how many of its integers differ, and why.

    ``noise`` is the greatest error of the source's float32 arithmetic met there, in steps of the
    quantizer; None where the source holds no real number to measure.
    """

    tensor: str
    where: str
    integers: int
    differ: int
    ties: int
    noise: float | None

    @property
    def faults(self) -> int:
        return self.differ - self.ties


@dataclass(frozen=True, slots=True)
class Output:
    """One output of the model after the whole graph, with no help on the way.

    ``differ`` counts its numbers, ``integers_differ`` the integers behind them (None where the host
    does more than scale these); ``greatest`` is the greatest difference of its numbers.
    """

    tensor: str
    numbers: int
    differ: int
    integers_differ: int | None
    greatest: float


@dataclass(frozen=True, slots=True)
class Comparison:
    frames: int
    rows: tuple[Row, ...]
    outputs: tuple[Output, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        total = {
            key: sum(getattr(row, key) for row in self.rows)
            for key in ("integers", "differ", "ties", "faults")
        }
        return {**total, **asdict(self)}


def compare(
    source: Source, lifting: Lifting, graph: Graph, frames: Mapping[str, np.ndarray]
) -> Comparison:
    """``lifting`` of ``source``, and ``graph``, what passes made of it, on frames by input name.

    Raises HW601 without onnxruntime, HW602 where it refuses the model.
    """
    types = {port.name: lifting.graph.type(port.value) for port in lifting.graph.inputs}
    known = [q for q in lifting.quantizers if _whole(lifting.graph, q)]
    names = dict.fromkeys([*(q.tensor for q in known), *(q.real for q in known if q.real)])
    truth = run_source(source, frames, [*source.outputs, *names])
    codes = {id(q): _decoded(q.y, truth[q.tensor]) for q in known}
    edges = {p.value: p.to_edge(frames[p.name], types[p.name]) for p in lifting.graph.inputs}
    forced: dict[str, np.ndarray] = {}
    for q in known:  # a quantizer that changes nothing shares the edge of the one before
        forced.setdefault(_edge(q), _on_edge(codes[id(q)], q.y, lifting.graph.type(_edge(q)).shape))
    ours = dict(edges)
    edges |= {name: forced[name] for name in edges if name in forced}
    for node in lifting.graph.nodes:
        ours[node.output] = node.op.reference(*(edges[name] for name in node.inputs))
        edges[node.output] = forced.get(node.output, ours[node.output])
    edges = forced | edges
    rows, done = [], set()
    for q in known:
        made_here = edges if _edge(q) in done else ours
        rows.append(_row(q, made_here[_edge(q)], codes[id(q)], edges, truth))
        done.add(_edge(q))
    made = run_frames(graph, frames)
    ports = {port.name: port for port in graph.outputs}
    outputs = tuple(_output(ports[name], made[name], truth[name]) for name in source.outputs)
    return Comparison(len(next(iter(frames.values()))), tuple(rows), outputs)


def _edge(q: Quantizer) -> str:
    assert isinstance(q.y.edge, str)
    return q.y.edge


def _whole(graph: Graph, q: Quantizer) -> bool:
    """Whether the quantizer's codes are all of one edge of the graph."""
    if not isinstance(q.y.edge, str) or q.y.edge not in graph.values:
        return False
    return q.y.index.size == graph.type(q.y.edge).size and affine_of(q.y.chain) is not None


def _decoded(y: Lifted, values: np.ndarray) -> np.ndarray:
    """The integers of a tensor ``(N, *shape)`` with an affine chain, flat per frame, in its order."""
    m, a = (np.asarray(v) for v in affine_of(y.chain))  # type: ignore[misc]
    flat = values.reshape(len(values), -1).astype(np.float64)
    channel = y.index.ravel() % max(m.size, a.size)
    m, a = (v[channel] if v.ndim else v for v in (m, a))
    return np.rint((flat - a) / m).astype(np.int64)


def _on_edge(codes: np.ndarray, y: Lifted, shape: tuple[int, ...]) -> np.ndarray:
    flat = np.empty_like(codes)
    flat[:, y.index.ravel()] = codes
    return flat.reshape(len(codes), *shape)


def _row(
    q: Quantizer, edge: np.ndarray, theirs: np.ndarray, edges: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
) -> Row:  # fmt: skip
    ours = edge.reshape(len(edge), -1)[:, q.y.index.ravel()]
    different = ours != theirs
    exact = _exactly(q.x, edges)
    noise, ties = None, 0
    if exact is not None:
        largest = np.abs(exact).max(initial=0)
        off = EXACT * largest
        if q.real is not None:
            reals = truth[q.real].reshape(len(exact), -1).astype(np.float64)
            off = np.abs(reals - exact).max(initial=0)
            noise = float(off / _step(q.steps))
        if different.any() and off <= NOISE * largest:
            ties = _ties(q, exact, off, ours, theirs, different)
    return Row(q.tensor, q.where, different.size, int(different.sum()), ties, noise)


def _ties(
    q: Quantizer, exact: np.ndarray, off: float, ours: np.ndarray, theirs: np.ndarray,
    different: np.ndarray,
) -> int:  # fmt: skip
    """How many differences the rounding of ``exact`` plus or minus ``off`` explains."""
    ends = [_by_channel(q, exact + shift) for shift in (-off, off)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    within = [(low <= codes) & (codes <= high) for codes in (ours, theirs)]
    return int((different & within[0] & within[1]).sum())


def _by_channel(q: Quantizer, reals: np.ndarray) -> np.ndarray:
    """The codes of real numbers ``(N, size)`` in the order of the tensor."""
    place = q.x.index.ravel()
    flat = np.empty_like(reals)
    flat[:, place] = reals
    width = q.width
    return precisely(q.steps, flat.reshape(-1, width)).reshape(len(reals), -1)[:, place]


def _exactly(x: Lifted, edges: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The real numbers before a quantizer ``(N, size)``; None where their edge is gone."""
    terms = x.edge.terms if isinstance(x.edge, Joint) else ((x.edge, Chain()),)
    total = 0.0
    for edge, chain in terms:
        if not isinstance(edge, str) or edge not in edges:
            return None
        total = total + precisely(chain, edges[edge].astype(np.float64))
    reals = precisely(x.chain, np.asarray(total))
    return reals.reshape(len(reals), -1)[:, x.index.ravel()]


def _step(steps: Chain) -> float:
    """The distance of two neighbouring codes; 1 where a table makes them."""
    scales = [np.asarray(s.args["scale"]).min() for s in steps.steps if "scale" in s.args]
    return float(scales[0]) if scales else 1.0


def precisely(chain: Chain, x: np.ndarray) -> np.ndarray:
    """``chain`` of integers or float64 in float64, wherever that is exact or nearly so."""
    for step in chain.steps:
        a: dict[str, Any] = {
            name: value if isinstance(value, (str, Chain)) else np.asarray(value, np.float64)
            for name, value in step.args.items()
        }
        match step.kind:
            case "affine":
                x = x * a["mul"] + a["add"]
            case "add":
                x = x + a["c"]
            case "sub":
                x = x - a["c"]
            case "rsub":
                x = a["c"] - x
            case "mul":
                x = x * a["c"]
            case "div":
                x = x / a["c"]
            case "neg":
                x = -x
            case "relu":
                x = np.maximum(x, 0)
            case "leaky_relu":
                x = np.where(x < 0, x * a["slope"], x)
            case "batchnorm":
                x = (x - a["mean"]) / np.sqrt(a["var"] + a["epsilon"]) * a["scale"] + a["bias"]
            case "onnx_quantize":
                x = np.clip(np.rint(x / a["scale"]) + a["zero"], a["lo"], a["hi"])
            case "quantize":
                codes = np.clip(x / a["scale"] + a["zero"], a["lo"], a["hi"])
                x = Chain().then("quantize", scale=1.0, zero=0.0, lo=-np.inf, hi=np.inf,
                                 rounding=a["rounding"])(codes)  # fmt: skip
            case "join":
                first, second = precisely(a["first"], x), precisely(a["second"], x)
                x = first + second if a["how"] == "add" else first * second
            case _:
                x = np.asarray(step(x), np.float64)
    return np.asarray(x, np.float64)


def _output(port: Port, ours: np.ndarray, theirs: np.ndarray) -> Output:
    far = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(initial=0)
    y, integers = Lifted(port.value, port.index[None], port.chain), None
    if affine_of(port.chain) is not None:
        codes = [_decoded(y, np.asarray(values)) for values in (ours, theirs)]
        integers = int((codes[0] != codes[1]).sum())
    return Output(port.name, theirs.size, int((ours != theirs).sum()), integers, float(far))


def affordable(graph: Graph, frames: int) -> int:
    """How many of so many frames a comparison may take, at least one."""
    cost = graph.macs() + 64 * sum(value.type.size for value in graph.values.values())
    return max(1, min(frames, WORK // max(cost, 1)))


def example_frames(graph: Graph, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random model inputs ``(count, *shape)`` by name, over the range that the quantizers cover."""
    rng = np.random.default_rng(seed)
    return {port.name: _example(port, graph.type(port.value), count, rng) for port in graph.inputs}


def _example(port: Port, type_: TensorType, count: int, rng: np.random.Generator) -> np.ndarray:
    shape = (count, *port.shape)
    if not port.dtype.startswith("float"):
        info = np.iinfo(port.dtype)
        return rng.integers(info.min, info.max, shape, endpoint=True).astype(port.dtype)
    return (rng.uniform(-1, 1, shape) * _reach(port, type_)).astype(port.dtype)


def _reach(port: Port, type_: TensorType) -> float:
    """The smallest power of two beyond which real inputs of either sign are clipped."""
    for power in range(-24, 24):
        ends = np.zeros((2, *port.shape), port.dtype)
        ends[0], ends[1] = 2.0**power, -(2.0**power)
        codes = port.to_edge(ends, type_)
        if set(codes.ravel().tolist()) >= {type_.range.lo, type_.range.hi}:
            return 2.0**power
    return 1.0
