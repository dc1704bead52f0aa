"""One forward walk over the source: nodes become constants, chains or operators."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto

import hwgen.frontends.convolutions
import hwgen.frontends.elementwise
import hwgen.frontends.layers
import hwgen.frontends.merges
import hwgen.frontends.pools
import hwgen.frontends.qdq
import hwgen.frontends.qonnx
import hwgen.frontends.qoperator
import hwgen.frontends.resize
import hwgen.frontends.standard
import hwgen.frontends.tails  # noqa: F401  (handlers register themselves on import)
from hwgen.core.errors import Diagnostics, HwgenError, fail
from hwgen.core.intrange import IntRange
from hwgen.frontends.call import HANDLERS, PATIENT, Call
from hwgen.frontends.folding import FOLD, OF_SHAPE, size_of
from hwgen.frontends.lifted import Constant, Feed, Lifted, Tensor
from hwgen.frontends.lifter import Lifter
from hwgen.frontends.read import STANDARD, Source, output_shape
from hwgen.frontends.tensors import MICROSOFT, QONNX, attributes, label
from hwgen.frontends.types import codes_of_type
from hwgen.ir.chain import Chain
from hwgen.ir.graph import Graph, GraphBuilder, Node, Port
from hwgen.ir.verify import verify
from hwgen.ops import Conv, DepthwiseConv, MatMul

HELP = {
    "FloatQuant": "use an integer quantizer",
}
DOMAINS = (*STANDARD, *QONNX, MICROSOFT)
REAL = {"Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "QuantizeLinear"}
HELP_OTHERS = "replace it by operators that are supported, or end the model before it"


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A tensor of the source whose values are codes ``y`` of the graph.

    They come from ``steps`` on the real numbers ``x``, which are tensor ``real`` of the source
    (None where it has none) and lie on an edge of ``width`` channels.
    """

    tensor: str
    real: str | None
    where: str
    x: Lifted
    steps: Chain
    y: Lifted
    width: int


@dataclass(frozen=True, eq=False)
class Lifting:
    """An integer graph, and what became of the source.

    ``quantizers``: which of its edges are which quantized tensors. ``places``: for every node of
    the source, by label, where its work is done now.
    """

    graph: Graph
    quantizers: tuple[Quantizer, ...]
    places: dict[str, str]


def lift(source: Source) -> Graph:
    """The integer graph of a quantized model; see :func:`trace`."""
    return trace(source).graph


def trace(source: Source) -> Lifting:
    """The integer graph of a quantized model, one frame at a time.

    Everything that cannot be lifted is collected into one HwgenError: HW201 unknown operator,
    HW202 unsupported use of one, HW203 unquantized tensor, HW204 no monotone function, HW206
    nothing to build.
    """
    lifter = Lifter(GraphBuilder(source.name), source.limits)
    problems = Diagnostics()
    tensors: dict[str, Tensor | None] = {  # None: lost to a problem already reported
        name: Constant(array) for name, array in source.constants.items()
    }
    for name in source.inputs:
        tensors[name] = _input(source, name)
    quantizers: list[Quantizer] = []
    places = {label(node): "needed by no output" for node in source.nodes}
    nodes, needed = _live(source)
    for node in nodes:
        results: Iterable[Tensor | None] = ()
        try:
            results = _lift_node(lifter, source, node, tensors, needed)
            _account(lifter, results)
        except HwgenError as error:
            problems.collect(error)
            if any(problem.code == "HW106" for problem in error.problems):
                break  # more would only cost more
        quantizers += _quantizers(lifter, source, node, results)
        places[label(node)] = _place(results)
        padded = [*results, *[None] * len(node.output)]
        tensors.update(zip(node.output, padded, strict=False))
    for name in source.outputs:
        if name not in tensors:
            continue
        try:
            places |= dict.fromkeys(_output(lifter, source, name, tensors[name]), "host, output")
        except HwgenError as error:
            problems.collect(error)
    problems.raise_if_any()
    graph = lifter.builder.build()
    if not graph.nodes:
        fail("HW206", where=source.name, why="no layer stands between its inputs and its outputs",
             help="give a model with a MatMul, Gemm or Conv of quantized weights")  # fmt: skip
    verify(graph)
    for node in graph.nodes:
        places |= dict.fromkeys(node.origin, node.name)
    settled = tuple(replace(q, y=lifter.settled(q.y)) for q in quantizers)
    return Lifting(graph, settled, places)


def _place(results: Iterable[Tensor | None]) -> str:
    """Where a node is that is in no operator of the graph."""
    made = [x for x in results if x is not None]
    if made and all(isinstance(x, Constant) for x in made):
        return "constant"
    if any(isinstance(x, Lifted) and isinstance(x.edge, Feed) for x in made):
        return "host, input"
    return "folded into what follows"


def _quantizers(
    lifter: Lifter, source: Source, node: NodeProto, results: Iterable[Tensor | None]
) -> list[Quantizer]:
    """The outputs of a node that are the codes of a quantizer in it."""
    found = []
    for name, y in zip(node.output, results, strict=False):
        for rounding in lifter.roundings:
            if isinstance(y, Lifted) and y.edge is rounding.y.edge and y.index is rounding.y.index:
                real = node.input[0] if node.op_type in REAL else None
                found.append(Quantizer(name, real, source.where(node), rounding.x, rounding.steps,
                                       y, lifter.edge_shape(rounding.x)[-1]))  # fmt: skip
    return found


def widths(graph: Graph) -> list[tuple[Node, int, int]]:
    """Weight and activation bits of every matrix product and convolution.

    Weights: 1 where all are +-1, 2 for -1, 0, 1, else bits of the smallest two's-complement range.
    Activations: bits of the range of the input edge.
    """
    found = []
    for node in graph.nodes:
        if isinstance(node.op, (MatMul, Conv, DepthwiseConv)):
            weight = node.op.weight
            bipolar = weight.size > 0 and bool((np.abs(weight) == 1).all())
            range_ = IntRange.of_array(weight) | IntRange(-1, 0)
            bits = 1 if bipolar else range_.width
            found.append((node, bits, graph.type(node.inputs[0]).range.width))
    return found


def _input(source: Source, name: str) -> Lifted:
    shape, dtype = source.shapes[name], source.dtypes[name]
    feed = Feed(name, shape, dtype, range=codes_of_type(dtype))
    return Lifted(feed, np.arange(feed.size).reshape(shape), dtype=dtype)


def _live(source: Source) -> tuple[list[NodeProto], set[str]]:
    """The nodes that an output depends on, in order, and the tensors that they or it read."""
    nodes, needed = [], set(source.outputs)
    for node in reversed(source.nodes):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
    return nodes[::-1], needed


def _lift_node(
    lifter: Lifter, source: Source, node: NodeProto, tensors: dict[str, Tensor | None],
    needed: set[str],
) -> tuple[Tensor | None, ...]:  # fmt: skip
    handler = HANDLERS.get(node.op_type) if node.domain in DOMAINS else None
    inputs = tuple(
        lifter.settled(x) if isinstance(x, Lifted) else x
        for x in (tensors[name] if name else None for name in node.input)
    )
    lifter.roundings.clear()
    lifter.call = call = Call(
        node.op_type, label(node), source.where(node), inputs, attributes(node), source.opset,
        tuple(name in needed for name in node.output),
    )  # fmt: skip
    given = [x for name, x in zip(node.input, inputs, strict=True) if name]
    if None in given:
        if handler is None and node.op_type not in FOLD:
            raise _unknown(call, node)
        return ()
    fold = FOLD.get(node.op_type)
    static = all(isinstance(x, Constant) for x in given)
    if fold is not None and (static or node.op_type in OF_SHAPE):
        return (_fold(lifter, call, fold),)
    if node.op_type not in PATIENT:
        call = replace(call, inputs=tuple(
            lifter.solid(x) if isinstance(x, Lifted) else x for x in inputs
        ))  # fmt: skip
    if handler is None:
        if fold is not None:
            raise call.error(f"{node.op_type} is supported on constants only", HELP_OTHERS)
        raise _unknown(call, node)
    try:
        result = handler(lifter, call)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        why = f"its inputs or attributes do not fit it: {type(error).__name__}: {error}"
        raise call.error(why, code="HW103") from error
    return result if isinstance(result, tuple) else (result,)


def _account(lifter: Lifter, results: Iterable[Tensor | None]) -> None:
    """Bound what the tensors that a node made take to keep and to evaluate. Raises HW106."""
    known = {id(x.index) for x in lifter.call.inputs if isinstance(x, Lifted)}
    for x in results:
        if isinstance(x, Lifted):
            lifter.arrange(x.index.size if id(x.index) not in known else 0)
            lifter.limits.check("steps", x.chain.size, where=lifter.call.where)


def _unknown(call: Call, node: NodeProto) -> HwgenError:
    domain = f" of domain {node.domain}" if node.domain not in DOMAINS else ""
    return call.error(f"no handler for {node.op_type}{domain}",
                      HELP.get(node.op_type, HELP_OTHERS), "HW201")  # fmt: skip


def _fold(lifter: Lifter, call: Call, function: Callable[[Call], np.ndarray]) -> Constant:
    try:
        lifter.account(size_of(call))
        with np.errstate(all="ignore"):
            result = np.asarray(function(call))
    except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise call.error(f"its constants do not fit: {error}", code="HW103") from None
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        raise call.error("it makes NaN or infinity out of constants", code="HW104")
    return Constant(result)


def _output(lifter: Lifter, source: Source, name: str, x: Tensor | None) -> tuple[str, ...]:
    """Make an output of the graph; the source nodes that the host does behind it."""
    if x is None:
        return ()
    lifter.call = call = Call("output", name, f"{source.name}: output `{name}`", (), {}, 0)
    if isinstance(x, Lifted):
        x = lifter.settled(x)
    if isinstance(x, Constant):
        raise call.error("it does not depend on the model's input")
    x = lifter.solid(x)
    if isinstance(x.edge, Feed):
        x, _ = lifter.fit(x, x.index.ravel())
    assert isinstance(x.edge, str)
    shape = output_shape(x.shape)
    lifter.builder.output(Port(name, x.edge, shape, x.index.reshape(shape), x.chain, x.dtype))
    return x.origin
