"""The source model in its own arithmetic: the truth that a lifted graph is compared with.

Standard operators run in onnxruntime, as many neighbours as possible in one session, without graph
optimisation; QONNX operators run in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from hwgen.core.errors import fail
from hwgen.frontends.custom import CUSTOM
from hwgen.frontends.nibbles import widened
from hwgen.frontends.read import STANDARD, Source
from hwgen.frontends.tensors import MICROSOFT, attributes

CHUNK = 1 << 24  # elements of the largest tensor in one batch
RUNTIME = (*STANDARD, MICROSOFT)
ELEMENTWISE = {
    "Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum", "Relu", "LeakyRelu", "PRelu", "Clip",
    "Sigmoid", "Tanh", "Neg", "Abs", "Sqrt", "Exp", "Log", "Erf", "Gelu", "Elu", "Celu", "Selu",
    "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Mish", "Swish", "Floor", "Ceil", "Round",
    "Sign", "Reciprocal", "Identity", "Dropout", "Cast", "Quant", "IntQuant", "BipolarQuant",
    "Trunc", "QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu",
}  # fmt: skip
PER_FRAME = {
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "GlobalMaxPool",
    "AveragePool", "GlobalAveragePool", "QLinearAveragePool", "QLinearGlobalAveragePool",
    "BatchNormalization", "MultiThreshold", "DepthToSpace", "SpaceToDepth",
}  # fmt: skip
PRODUCTS = {"MatMul", "MatMulInteger", "QLinearMatMul"}
ALONG = {"Softmax": -1, "QLinearSoftmax": -1, "ArgMax": 0, "TopK": -1, "Concat": 1,
         "QLinearConcat": 1, "Split": 0, "Gather": 0, "QuantizeLinear": 1, "DequantizeLinear": 1}  # fmt: skip


def run_source(
    source: Source, inputs: Mapping[str, np.ndarray], fetch: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """Tensors of the source model by name, ``(N, *frame)``, for inputs ``(N, *frame)``.

    ``fetch`` names any tensors that depend on the inputs; None takes the model's outputs. Frames
    run as one batch where no operator mixes them, else one by one. Raises HW601 without
    onnxruntime, HW602 where it refuses the model, HW112 where inputs do not fit.
    """
    names = tuple(dict.fromkeys(source.outputs if fetch is None else fetch))
    frames = {name: _frames(source, inputs, name) for name in source.inputs}
    count = len(next(iter(frames.values())))
    plan = _Plan.of(source, source.nodes, names)
    first = {name: array[:1].reshape(source.shapes[name]) for name, array in frames.items()}
    shapes = {name: array.shape for name, array in plan.run(first, everything=True).items()}
    batched = _batched_nodes(source, plan, shapes)
    if batched is None:
        step = 1
    else:
        largest = max(math.prod(shape) for shape in shapes.values())
        step, plan = max(1, CHUNK // largest), _Plan.of(source, batched, names, plan.constants)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, count, step):
        part = {
            name: array[start : start + step].reshape(-1, *source.shapes[name][1:])
            if len(source.shapes[name]) > 1
            else array[start : start + step].reshape(source.shapes[name])
            for name, array in frames.items()
        }
        done = plan.run(part)
        for name in names:
            lead = shapes[name][:1] == (1,)
            parts[name].append(done[name] if lead else done[name][None])
    return {name: np.concatenate(part) for name, part in parts.items()}


def first_frame(source: Source, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor that depends on the inputs, batch of one included, for the first of the frames.

    Raises what :func:`run_source` raises.
    """
    made = tuple(dict.fromkeys(name for node in source.nodes for name in node.output if name))
    frames = {name: _frames(source, inputs, name)[:1] for name in source.inputs}
    first = {name: array.reshape(source.shapes[name]) for name, array in frames.items()}
    return _Plan.of(source, source.nodes, made).run(first, everything=True)


def _frames(source: Source, inputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    shape = source.frame_shape(name)
    if name not in inputs:
        fail("HW112", where=source.name, why=f"there is no array for the input `{name}`")
    array = np.asarray(inputs[name])
    if array.shape[1:] != shape or not len(array):
        why = f"its shape is {array.shape}, the model takes (N, {', '.join(map(str, shape))})"
        fail("HW112", where=f"{source.name}: input `{name}`", why=why)
    return np.ascontiguousarray(array, source.dtypes[name])


@dataclass
class _Segment:
    """Neighbouring standard nodes, run as one session. Built when the types are known."""

    nodes: list[NodeProto]
    outputs: tuple[str, ...] = ()
    session: Any = field(default=None)
    feeds: tuple[str, ...] = ()

    def run(self, source: Source, known: dict[str, np.ndarray], constants: set[str]) -> None:
        if self.session is None:
            self.session = self._build(source, known, constants)
        feeds = {name: known[name] for name in self.feeds}
        try:
            results = self.session.run(list(self.outputs), feeds)
        except Exception as error:  # onnxruntime has no common base class for its errors
            fail("HW602", where=source.name, why=f"onnxruntime fails: {error}")
        known.update(zip(self.outputs, results, strict=True))

    def _build(self, source: Source, known: dict[str, np.ndarray], constants: set[str]) -> Any:
        made = {name for node in self.nodes for name in node.output}
        read = dict.fromkeys(n for node in self.nodes for n in node.input if n and n not in made)
        self.feeds = tuple(name for name in read if name not in constants)
        nodes = [inner for node in self.nodes for inner in widened(node, known)]
        graph = helper.make_graph(
            nodes, "segment",
            [helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(known[name].dtype), None)
             for name in self.feeds],
            [helper.make_empty_tensor_value_info(name) for name in self.outputs],
            [numpy_helper.from_array(np.asarray(known[name], order="C"), name)
             for name in read if name in constants],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", source.opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 10
        return _session(source, model.SerializeToString())


def _session(source: Source, data: bytes) -> Any:
    try:
        import onnxruntime as ort
    except ImportError:
        fail("HW601", where="onnxruntime", why="it is not installed",
             help='pip install "hwgen[onnx]"')  # fmt: skip
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class for its errors
        fail("HW602", where=source.name, why=f"onnxruntime refuses the model: {error}")


@dataclass
class _Plan:
    """The nodes that ``names`` need: constants computed once, the rest cut into segments."""

    source: Source
    constants: dict[str, np.ndarray]
    steps: list[_Segment | NodeProto]
    names: tuple[str, ...]
    nodes: list[NodeProto] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        source: Source,
        nodes: Iterable[NodeProto],
        names: tuple[str, ...],
        constants: Mapping[str, np.ndarray] | None = None,
    ) -> _Plan:
        needed, live = set(names), []
        for node in reversed(list(nodes)):
            if needed.intersection(node.output):
                live.append(node)
                needed.update(node.input)
        live.reverse()
        plan = cls(source, dict(source.constants if constants is None else constants), [], names)
        for node in live:
            if all(name in plan.constants for name in node.input if name):
                _run_node(source, node, plan.constants, set(plan.constants))
            else:
                plan.nodes.append(node)
        for node in plan.nodes:
            if node.domain not in RUNTIME:
                plan.steps.append(node)
            elif plan.steps and isinstance(plan.steps[-1], _Segment):
                plan.steps[-1].nodes.append(node)
            else:
                plan.steps.append(_Segment([node]))
        plan._choose_outputs()
        return plan

    def _choose_outputs(self) -> None:
        later = set(self.names)
        for step in reversed(self.steps):
            nodes = step.nodes if isinstance(step, _Segment) else [step]
            if isinstance(step, _Segment):
                made = [name for node in nodes for name in node.output if name]
                step.outputs = tuple(name for name in made if name in later)
            later.update(name for node in nodes for name in node.input)

    def run(
        self, inputs: dict[str, np.ndarray], *, everything: bool = False
    ) -> dict[str, np.ndarray]:
        """The named tensors; with ``everything``, each one that depends on the inputs."""
        known = {**self.constants, **inputs}
        fixed = set(self.constants)
        for step in self.steps:
            if not isinstance(step, _Segment):
                _run_node(self.source, step, known, fixed)
            elif everything:
                for node in step.nodes:
                    _run_node(self.source, node, known, fixed)
            else:
                step.run(self.source, known, fixed)
        if everything:
            return {name: array for name, array in known.items() if name not in fixed}
        missing = [name for name in self.names if name not in known]
        if missing:
            fail("HW110", where=self.source.name, why=f"the model has no tensor `{missing[0]}`")
        return {name: known[name] for name in self.names}


def _run_node(
    source: Source, node: NodeProto, known: dict[str, np.ndarray], constants: set[str]
) -> None:
    if node.domain in RUNTIME:
        # an unused optional output, like a dropout mask, need not exist
        segment = _Segment([node], tuple(name for name in node.output if name))
        segment.run(source, known, constants)
        return
    custom = CUSTOM.get(node.op_type)
    if custom is None:
        fail("HW201", where=source.where(node), why=f"no reference for {node.op_type}")
    known[node.output[0]] = custom(attributes(node), *(known[name] for name in node.input if name))


def _batched_nodes(
    source: Source, plan: _Plan, shapes: Mapping[str, tuple[int, ...]]
) -> list[NodeProto] | None:
    """The nodes made fit for any batch, or None where one of them mixes frames."""
    if any(len(shapes[name]) < 2 for name in source.inputs):
        return None
    rewritten: list[NodeProto] = []
    for node in plan.nodes:
        shape = shapes.get(node.output[0], ())
        if node.op_type == "Reshape" and shape[:1] == (1,) and node.input[0] in shapes:
            name = f"{node.output[0]}_batched_shape"
            tensor = numpy_helper.from_array(np.array([-1, *shape[1:]], np.int64))
            rewritten.append(helper.make_node("Constant", [], [name], value=tensor))
            node = helper.make_node("Reshape", [node.input[0], name], list(node.output), node.name)
        rewritten.append(node)
    live = _Plan.of(source, rewritten, plan.names, plan.constants).nodes
    return rewritten if all(_keeps_frames(plan, node, shapes) for node in live) else None


def _keeps_frames(plan: _Plan, node: NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether frame ``n`` of the node's output depends on frame ``n`` of its inputs alone."""
    dynamic = [name for name in node.input if name in shapes]
    y = shapes.get(node.output[0], ())
    rank, attrs, op = len(y), attributes(node), node.op_type
    if y[:1] != (1,) or any(shapes[name][:1] != (1,) for name in dynamic):
        return False
    if op in ELEMENTWISE:
        static = [np.shape(plan.constants[n]) for n in node.input if n in plan.constants]
        small = all(len(s) < rank or s[0] == 1 for s in static)
        return small and all(len(shapes[name]) == rank for name in dynamic)
    if op in PER_FRAME or op == "Reshape":
        return True
    if op in PRODUCTS:
        return dynamic == [node.input[0]] and rank >= 2
    if op in ("Gemm", "QGemm"):
        at = 2 if op == "Gemm" else 6
        biased = len(node.input) > at and node.input[at]
        bias = plan.constants[node.input[at]].shape if biased else ()
        return not attrs.get("transA") and dynamic == [node.input[0]] and bias[:-1] in ((), (1,))
    if op == "Flatten":
        return attrs.get("axis", 1) == 1
    if op == "Transpose":
        return attrs.get("perm", (1,))[0] == 0
    if op in ("Squeeze", "Unsqueeze"):
        given = plan.constants[node.input[1]] if len(node.input) > 1 else attrs.get("axes", (0,))
        larger = max(rank, len(shapes[dynamic[0]]))
        return all(int(a) % larger for a in np.ravel(given))
    if op in ("Slice", "Pad", "ReduceMean", "ReduceSum"):
        return _leaves_first_axis(plan, node, len(shapes[dynamic[0]]))
    if op in ALONG:
        flat = op == "Softmax" and plan.source.opset < 13  # and then it flattens from axis 1 on
        axis = attrs.get("axis", 1 if flat else ALONG[op])
        return axis % len(shapes[dynamic[0]]) != 0
    return False


def _leaves_first_axis(plan: _Plan, node: NodeProto, rank: int) -> bool:
    """Whether a Slice, Pad or reduction does nothing to the batch."""
    attrs, op = attributes(node), node.op_type
    at = {"Slice": 3, "Pad": 3}.get(op, 1)
    axes = attrs.get("axes")
    if len(node.input) > at and node.input[at]:
        axes = plan.constants[node.input[at]]
    if op == "Pad" and axes is None:
        pads = plan.constants[node.input[1]] if len(node.input) > 1 else attrs.get("pads", (1,))
        return not pads[0] and not pads[rank]
    return axes is not None and all(int(axis) % rank for axis in np.ravel(axes))
