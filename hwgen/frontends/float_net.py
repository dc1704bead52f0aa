"""A float model that can be rewritten: its layers, their weights and biases, what lies between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from hwgen.core.errors import fail
from hwgen.frontends.annotate import FLOAT_OPS, constants, is_float
from hwgen.frontends.read import Source, source_of
from hwgen.frontends.tensors import attributes, label


@dataclass(frozen=True, eq=False)
class Layer:
    """A Conv, ConvTranspose, Gemm or MatMul with constant weights.

    ``x`` and ``y`` are its input and its output, ``y`` behind the bias; ``weight`` and ``bias``
    name constants. ``groups``, ``outputs`` (all groups together) and ``inputs`` count channels.
    """

    name: str
    op: str
    node: NodeProto
    x: str
    y: str
    weight: str
    bias: str | None
    shape: tuple[int, ...]
    groups: int
    transposed: bool

    @property
    def outputs(self) -> int:
        if self.op == "ConvTranspose":
            return self.shape[1]
        return self.shape[0] if self.op == "Conv" or self.transposed else self.shape[1]

    @property
    def inputs(self) -> int:
        if self.op == "Conv":
            return self.shape[1] * self.groups
        return self.shape[1] if self.transposed else self.shape[0]

    def view(self, weight: np.ndarray) -> np.ndarray:
        """``weight`` as ``(groups, outputs of a group, inputs of a group, kernel elements)``."""
        if self.op == "Conv":
            return weight.reshape(self.groups, len(weight) // self.groups, weight.shape[1], -1)
        if self.op == "ConvTranspose":
            return weight.reshape(*weight.shape[:2], -1).transpose(1, 0, 2)[None]
        return (weight if self.transposed else weight.T)[None, :, :, None]

    def unview(self, view: np.ndarray) -> np.ndarray:
        """The weight tensor of a :meth:`view`."""
        if self.op == "Conv":
            return view.reshape(self.shape)
        if self.op == "ConvTranspose":
            return view[0].transpose(1, 0, 2).reshape(self.shape)
        matrix = view.reshape(self.outputs, self.inputs)
        return matrix if self.transposed else matrix.T

    def rows(self, weight: np.ndarray) -> np.ndarray:
        """``weight`` as ``(outputs, weights of one output)``."""
        return self.view(weight).reshape(self.outputs, -1)

    def unrows(self, rows: np.ndarray) -> np.ndarray:
        """The weight tensor of :meth:`rows`."""
        shape = self.view(np.empty(self.shape, np.int8)).shape
        return self.unview(rows.reshape(shape))

    def per_output(self, values: np.ndarray) -> np.ndarray:
        """``(outputs,)`` in the weight's rank, ready to broadcast against it."""
        axis = {"Conv": 0, "ConvTranspose": 1}.get(self.op, 0 if self.transposed else 1)
        return values.reshape([-1 if k == axis else 1 for k in range(len(self.shape))])


class FloatNet:
    """The nodes and constants of a float model, open to change; :meth:`source` closes it.

    Subgraphs of constants are folded, and every layer owns its weight and its bias.
    """

    def __init__(self, source: Source) -> None:
        self._origin = source
        if not is_float(source):
            fail("HW202", where=source.name, why="the model is quantized already",
                 help="give the float model, or build this one as it is")  # fmt: skip
        known = constants(source)
        self.nodes = [
            _copy(node) for node in source.nodes if not all(n in known for n in node.output)
        ]
        read = {name for node in self.nodes for name in node.input}
        self.arrays = {n: np.asarray(a) for n, a in known.items() if n in read}
        self.outputs, self.inputs = source.outputs, source.inputs
        owned: set[str] = set()
        for node in self.nodes:
            for k, name in enumerate(node.input):
                if name in self.arrays and name in owned:
                    node.input[k] = self.constant(name, self.arrays[name])
                owned.add(node.input[k])

    @property
    def name(self) -> str:
        return self._origin.name

    def source(self) -> Source:
        """The model as it is now, checked again."""
        model = ModelProto()
        model.CopyFrom(self._origin.model)
        del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
        model.ir_version = max(model.ir_version, 4)  # from then on, constants are no inputs
        given = [value for value in model.graph.input if value.name in self.inputs]
        del model.graph.input[:]
        model.graph.input.extend(given)
        model.graph.node.extend(self.nodes)
        read = {name for node in self.nodes for name in node.input}
        model.graph.initializer.extend(
            numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in self.arrays.items() if name in read
        )  # fmt: skip
        return source_of(model, name=self._origin.name, path=self._origin.path)

    def part(self, nodes: Sequence[NodeProto], inputs: Mapping[str, np.ndarray],
             outputs: Sequence[str]) -> Source:  # fmt: skip
        """A model of ``nodes`` alone, whose ``inputs`` are like these frames ``(N, *frame)``."""
        read = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes, self.name,
            [helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(frames.dtype), (1, *frames.shape[1:]))
             for name, frames in inputs.items()],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(np.ascontiguousarray(array), name)
             for name, array in self.arrays.items() if name in read],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=self._origin.model.opset_import)
        model.ir_version = max(self._origin.model.ir_version, 4)
        return source_of(model, name=self.name, limits=self._origin.limits)

    def copy(self) -> FloatNet:
        return FloatNet(self.source())

    def readers(self, tensor: str) -> list[NodeProto]:
        return [node for node in self.nodes if tensor in node.input]

    def maker(self, tensor: str) -> NodeProto | None:
        """The node that makes ``tensor``; None for constants and model inputs."""
        return next((node for node in self.nodes if tensor in node.output), None)

    def dynamic(self) -> set[str]:
        """The tensors that depend on a model input, the inputs among them."""
        found = set(self.inputs)
        for node in self.nodes:
            if found.intersection(node.input):
                found.update(name for name in node.output if name)
        return found

    def constant(self, name: str, array: np.ndarray) -> str:
        """A new constant whose name begins with ``name``."""
        made = {out for node in self.nodes for out in node.output}
        taken = made | set(self.arrays) | set(self.inputs)
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name}_{count}"
        self.arrays[unique] = array
        return unique

    def layers(self) -> list[Layer]:
        """The layers in topological order; a name that comes twice is numbered."""
        found: list[Layer] = []
        for node in self.nodes:
            if node.op_type not in FLOAT_OPS or node.input[1] not in self.arrays:
                continue
            shape, attrs = self.arrays[node.input[1]].shape, attributes(node)
            flat = node.op_type in ("Gemm", "MatMul")
            if node.input[0] in self.arrays or (flat and len(shape) != 2):
                continue
            plain = not attrs.get("transA") and attrs.get("alpha", 1) == attrs.get("beta", 1) == 1
            groups = attrs.get("group", 1)
            if (node.op_type == "ConvTranspose" and groups > 1) or not plain:
                fail("HW202", where=self._origin.where(node), why="this use is not quantized here",
                     help="use one group, transA = 0, alpha = 1 and beta = 1")  # fmt: skip
            name = label(node)
            name += f"_{len(found)}" if any(layer.name == name for layer in found) else ""
            layer = Layer(name, node.op_type, node, node.input[0], node.output[0], node.input[1],
                          None, shape, groups, bool(attrs.get("transB")))  # fmt: skip
            found.append(self._with_bias(layer))
        return found

    def _with_bias(self, layer: Layer) -> Layer:
        """``layer`` with the bias it has: its third input, or an Add of one number per output."""
        inputs = layer.node.input
        if len(inputs) > 2 and inputs[2]:
            return replace(layer, bias=inputs[2])
        readers = self.readers(layer.y)
        if len(readers) != 1 or readers[0].op_type != "Add" or layer.y in self.outputs:
            return layer
        (other,) = [n for n in readers[0].input if n != layer.y] or [""]
        if other not in self.arrays:
            return layer
        shape = self.arrays[other].shape
        spatial = len(layer.shape) - 2 if layer.op.startswith("Conv") else 0
        after = shape[len(shape) - spatial :] if spatial else ()
        before = shape[: len(shape) - spatial]
        per_output = before[-1:] == (layer.outputs,) and math.prod(before) == layer.outputs
        if per_output and after == (1,) * spatial:
            return replace(layer, bias=other, y=readers[0].output[0])
        return layer

    def add_to_bias(self, layer: Layer, delta: np.ndarray) -> None:
        """Add ``delta (outputs,)`` to what the layer computes; gives it a bias if it has none."""
        if layer.bias is not None:
            old = self.arrays[layer.bias]
            self.arrays[layer.bias] = old + delta.reshape(old.shape).astype(old.dtype)
            return
        bias = self.constant(f"{layer.weight}_bias", delta.astype(np.float32))
        if layer.op != "MatMul":
            del layer.node.input[2:]
            layer.node.input.append(bias)
            return
        raw = f"{layer.y}_unbiased"
        layer.node.output[0] = raw
        node = helper.make_node("Add", [raw, bias], [layer.y], f"{layer.name}_bias")
        self.nodes.insert(self.nodes.index(layer.node) + 1, node)

    def repeat_input(self, layer: Layer) -> str:
        """Let ``layer`` read an Identity of its input, one for all that ask; returns its output."""
        own = f"{layer.x}_operand"
        if self.maker(own) is None:
            node = helper.make_node("Identity", [layer.x], [own], own)
            self.nodes.insert(self.nodes.index(layer.node), node)
        layer.node.input[0] = own
        return own

    def scale_outputs(self, layer: Layer, factor: np.ndarray) -> None:
        """Multiply what the layer computes by ``factor (outputs,)``."""
        weight = self.arrays[layer.weight]
        rows = layer.rows(weight) * factor[:, None]
        self.arrays[layer.weight] = layer.unrows(rows).astype(weight.dtype)
        if layer.bias is not None:
            bias = self.arrays[layer.bias]
            self.arrays[layer.bias] = (bias * factor.reshape(bias.shape)).astype(bias.dtype)

    def fold_batchnorm(self) -> None:
        """Multiply every BatchNormalization that alone reads a layer into that layer."""
        for layer in self.layers():
            readers = self.readers(layer.y)
            if len(readers) != 1 or readers[0].op_type != "BatchNormalization":
                continue
            if layer.y in self.outputs:
                continue
            norm = readers[0]
            parameters = [self.arrays[name].astype(np.float64) for name in norm.input[1:5]]
            gamma, beta, mean, variance = parameters
            factor = gamma / np.sqrt(variance + attributes(norm).get("epsilon", 1e-5))
            self.scale_outputs(layer, factor)
            self.add_to_bias(layer, beta - mean * factor)
            self.remove(norm)

    def remove(self, node: NodeProto) -> None:
        """Take out ``node``: who reads its output reads its first input from now on."""
        gone, kept = node.output[0], node.input[0]
        self.nodes.remove(node)
        if gone in self.outputs:
            maker = self.maker(kept)
            assert maker is not None, "an output is made by a node"
            maker.output[list(maker.output).index(kept)] = gone
            gone, kept = kept, gone
        for other in self.nodes:
            for k, name in enumerate(other.input):
                if name == gone:
                    other.input[k] = kept


def _copy(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy
