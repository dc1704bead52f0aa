"""Small files that ask for much: numbers out of nothing, paths without end, too many of all."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper, numpy_helper

from tests.frontends.networks import Net
from tests.hostile.corpus import add, around, change, hazard, mlp


def _filled(*shape: int) -> ModelProto:
    """x + ConstantOfShape(shape)."""
    return around(lambda net, x: net.node(
        "Add", x, net.node("ConstantOfShape", net.const(shape, np.int64))))  # fmt: skip


add("constant_of_shape_2_32", lambda: _filled(1 << 16, 1 << 16), "HW106")
add("constant_of_shape_2_24", lambda: _filled(1 << 24), "HW106")
add("constant_of_shape_2_126", lambda: _filled(1 << 62, 1 << 62, 4), "HW106")
add("constant_of_shape_negative", lambda: _filled(-5, 4), "HW103")
add("constant_of_shape_wraps", lambda: _filled(1 << 32, 1 << 32, 1 << 32), "HW106")


def _made(op: str, *constants: np.ndarray, **attributes: int) -> ModelProto:
    """x + what an operator makes of constants."""

    def build(net: Net, x: str) -> str:
        names = [net.const(constant, constant.dtype) for constant in constants]
        return net.node("Add", x, net.node(op, *names, **attributes))

    return around(build)


_BIG = np.array([1 << 30, 64])
add("expand", lambda: _made("Expand", np.ones((1, 1), np.float32), _BIG), "HW106")
add("tile", lambda: _made("Tile", np.ones((1, 1), np.float32), _BIG), "HW201", "HW106")
add("range", lambda: _made("Range", np.array(0), np.array(1 << 40), np.array(1)), "HW201", "HW106")
add("one_hot", lambda: _made("OneHot", np.arange(9), np.array(1 << 40), np.arange(2)), "HW201",
    "HW106")  # fmt: skip
add("outer_product", lambda: _made("Mul", np.ones((1 << 15, 1), np.float32),
                                   np.ones((1, 1 << 15), np.float32)), "HW106")  # fmt: skip
add("gather_repeats", lambda: _made("Gather", np.ones((1, 1 << 14), np.float32),
                                    np.zeros(1 << 14, np.int64)), "HW106")  # fmt: skip
add("pow_without_end", lambda: _made("Pow", np.full(4, 9.0, np.float32),
                                     np.full(4, 1e30, np.float32)), "HW104")  # fmt: skip


@hazard("HW106")
def doubling() -> ModelProto:
    """Concat of a constant with itself, 40 times over: 2^40 numbers."""

    def build(net: Net, x: str) -> str:
        big = net.const(np.ones((1, 4)))
        for _ in range(40):
            big = net.node("Concat", big, big, axis=0)
        return net.node("Add", x, big)

    return around(build)


@hazard("HW106")
def many_small_constants() -> ModelProto:
    """Each one within bounds, all together not."""

    def build(net: Net, x: str) -> str:
        shape = net.const([1 << 20], np.int64)
        parts = [net.node("ConstantOfShape", shape) for _ in range(300)]
        return net.node("Concat", x, *parts, axis=0)

    return around(build)


@hazard("HW106", "HW104", "HW202")
def diamonds_of_constants() -> ModelProto:
    """Add of a constant to itself, 64 times over: 2^64 paths, and infinity at the end of none."""

    def build(net: Net, x: str) -> str:
        value = net.const(np.full((1, 4), 1e30))
        for _ in range(64):
            value = net.node("Add", value, value)
        return net.node("Add", x, value)

    return around(build)


@hazard("HW106")
def diamonds() -> ModelProto:
    """Residual additions in a row: 2^64 paths from the input to the output."""

    def build(net: Net, x: str) -> str:
        for _ in range(64):
            x = net.node("Add", net.node("Relu", x), net.node("Neg", x))
        return x

    return around(build)


@hazard("HW106")
def nodes_100_000() -> ModelProto:
    return _chain(100_000)


@hazard("HW106")
def relus_15_000() -> ModelProto:
    """A chain that Python could not follow by recursion."""
    return _chain(15_000)


@hazard()
def relus_100() -> ModelProto:
    return _chain(100)


def _chain(length: int) -> ModelProto:
    model = mlp()
    name = model.graph.output[0].name
    nodes = [helper.make_node("Relu", [name if k == 0 else f"r{k - 1}"], [f"r{k}"])
             for k in range(length)]  # fmt: skip
    last = helper.make_node("Quant", [f"r{length - 1}", *model.graph.node[0].input[1:]], ["last"],
                            domain=model.graph.node[0].domain)  # fmt: skip
    model.graph.node.extend([*nodes, last])
    model.graph.output[0].name = "last"
    return model


@change()
def nodes_backwards(model: ModelProto) -> None:
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@change("HW106")
def constants_100_000(model: ModelProto) -> None:
    one = numpy_helper.from_array(np.float32(1))
    for k in range(100_000):
        one.name = f"k{k}"
        model.graph.initializer.append(one)


@change("HW106")
def inputs_of_the_model_100_000(model: ModelProto) -> None:
    for k in range(100_000):
        model.graph.input.append(helper.make_tensor_value_info(f"i{k}", 1, [1, 4]))


@change("HW106")
def opsets_100_000(model: ModelProto) -> None:
    model.opset_import.extend(helper.make_opsetid(f"d{k}", 1) for k in range(100_000))


@change()
def metadata_100_000(model: ModelProto) -> None:
    for k in range(100_000):
        model.metadata_props.add(key=f"k{k}", value="evil")


@hazard("HW106")
def product_of_2_31_outputs() -> ModelProto:
    """A matrix product of a frame of 2^16 rows: its output has 2^31 numbers."""
    return around(lambda net, x: net.node(
        "MatMul", x, net.quant(net.const(np.ones((4, 1 << 12))), 1.0, 2)),
        (1, 1 << 19, 4))  # fmt: skip


@hazard("HW106", "HW202", "HW203")
def wide_quantizers() -> ModelProto:
    """A threshold table of 2^24 codes for each of 1000 channels."""

    def build(net: Net, x: str) -> str:
        weight = net.quant(net.const(np.ones((4, 1000))), 1.0, 16)
        product = net.node("MatMul", x, weight)
        y = net.quant(product, 1e-6, 24)
        return net.node("MatMul", y, net.quant(net.const(np.ones((1000, 1))), 1.0, 2))

    return around(build)
