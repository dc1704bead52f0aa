"""ONNX operators that cost no hardware: layout moves the index, elementwise extends the chain."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from hwgen.frontends.call import Call, handles
from hwgen.frontends.lifted import Constant, Lifted, Tensor
from hwgen.frontends.lifter import Lifter

RESIDUAL = "both its inputs depend on the model's input"
RESIDUAL_HELP = "branches cannot be joined yet: use a network without residual connections"


# Layout: constants and lifted tensors alike


def _data(call: Call) -> Tensor:
    x = call.get(0)
    if x is None:
        raise call.error("it has no input", code="HW103")
    return x


def _axes(call: Call, rank: int) -> list[int] | None:
    axes = call.attrs.get("axes")
    if call.get(1) is not None:
        axes = [int(axis) for axis in np.ravel(call.constant(1, "axes"))]
    if axes is None:
        return None
    if any(not -rank <= axis < rank for axis in axes):
        raise call.error(f"axes {tuple(axes)} for a tensor of rank {rank}", code="HW103")
    return [axis % rank for axis in axes]


def _reshaped(call: Call, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return x.layout(lambda a: a.reshape(shape))
    except ValueError:
        raise call.error(f"{x.shape} cannot become {shape}", code="HW103") from None


@handles("Identity", "Dropout")
def identity(_: Lifter, call: Call) -> Tensor:
    if any(call.needed[1:]):
        raise call.error("its mask is used", "export the model in inference mode")
    return _data(call)


@handles("Reshape")
def reshape(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    shape = [int(size) for size in np.ravel(call.constant(1, "shape"))]
    if not call.attrs.get("allowzero", 0):
        if any(size == 0 and i >= len(x.shape) for i, size in enumerate(shape)):
            raise call.error(f"shape {shape} copies an axis that {x.shape} lacks", code="HW103")
        shape = [size or x.shape[i] for i, size in enumerate(shape)]
    return _reshaped(call, x, tuple(shape))


@handles("Flatten")
def flatten(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    axis = call.attrs.get("axis", 1)
    axis += len(x.shape) if axis < 0 else 0
    return _reshaped(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@handles("Squeeze")
def squeeze(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    axes = _axes(call, len(x.shape))
    if axes is None:
        axes = [axis for axis, size in enumerate(x.shape) if size == 1]
    return _reshaped(call, x, tuple(s for axis, s in enumerate(x.shape) if axis not in axes))


@handles("Unsqueeze")
def unsqueeze(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    count = len(call.attrs.get("axes", ())) or np.size(call.constant(1, "axes"))
    axes = _axes(call, len(x.shape) + count) or []
    if len(set(axes)) != count:
        raise call.error(f"axes {axes} name one twice", code="HW103")
    sizes = iter(x.shape)
    rank = len(x.shape) + len(axes)
    return _reshaped(call, x, tuple(1 if axis in axes else next(sizes) for axis in range(rank)))


@handles("Transpose")
def transpose(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    axes = tuple(call.attrs.get("perm", range(len(x.shape))[::-1]))
    if sorted(axes) != list(range(len(x.shape))):
        raise call.error(f"perm {axes} for a tensor of rank {len(x.shape)}", code="HW103")
    return x.layout(lambda a: a.transpose(axes))


@handles("DepthToSpace")
def depth_to_space(_: Lifter, call: Call) -> Tensor:
    x, block = _data(call), call.attrs.get("blocksize", 0)
    if len(x.shape) != 4 or block < 1 or x.shape[1] % block**2:
        raise call.error(f"blocks of {block} do not divide {x.shape}", code="HW103")
    n, c, h, w = x.shape
    depth = c // block**2
    if call.attrs.get("mode", "DCR") == "DCR":
        split, axes = (n, block, block, depth, h, w), (0, 3, 4, 1, 5, 2)
    else:
        split, axes = (n, depth, block, block, h, w), (0, 1, 4, 2, 5, 3)
    shape = (n, depth, h * block, w * block)
    return x.layout(lambda a: a.reshape(split).transpose(axes).reshape(shape))


@handles("Cast")
def cast(_: Lifter, call: Call) -> Tensor:
    x = call.lifted(integer=True)
    if call.attrs.get("to") != TensorProto.FLOAT:
        raise call.error("it casts a tensor to something other than float32")
    if x.dtype == "float32":
        return x
    return replace(x, dtype="float32").then(call.name, "affine", mul=1.0, add=0.0)


# Elementwise


def _operands(lifter: Lifter, call: Call) -> tuple[Lifted, np.ndarray, bool]:
    """The tensor, the constant as float32 along its channels, and whether the constant is first."""
    first, second = call.get(0), call.get(1)
    if isinstance(first, Lifted) and isinstance(second, Lifted):
        raise call.error(RESIDUAL, RESIDUAL_HELP)
    swapped = isinstance(first, Constant)
    x, c = call.lifted(int(swapped)), call.constant(int(not swapped), "other input")
    x, (c,) = lifter.constants(x, c.astype(np.float32))
    return x, c, swapped


@handles("Add")
def add(lifter: Lifter, call: Call) -> Lifted:
    x, c, _ = _operands(lifter, call)
    return x.then(call.name, "add", c=c)


@handles("Sub")
def sub(lifter: Lifter, call: Call) -> Lifted:
    x, c, swapped = _operands(lifter, call)
    return x.then(call.name, "rsub" if swapped else "sub", c=c)


@handles("Mul")
def mul(lifter: Lifter, call: Call) -> Lifted:
    x, c, _ = _operands(lifter, call)
    return x.then(call.name, "mul", c=c)


@handles("Div")
def div(lifter: Lifter, call: Call) -> Lifted:
    x, c, swapped = _operands(lifter, call)
    if swapped:
        raise call.error("a constant is divided by a tensor")
    if (c == 0).any():
        raise call.error("it divides by zero", code="HW104")
    return x.then(call.name, "div", c=c)


@handles("Relu", "Sigmoid", "Tanh", "Neg")
def function(_: Lifter, call: Call) -> Lifted:
    return call.lifted().then(call.name, call.op.lower())


@handles("Clip")
def clip(_: Lifter, call: Call) -> Lifted:
    bounds = []
    for i, (attr, default) in enumerate((("min", -np.inf), ("max", np.inf)), start=1):
        value = call.constant(i, attr) if call.get(i) is not None else call.attrs.get(attr, default)
        bounds.append(np.float32(np.asarray(value).reshape(())))
    return call.lifted().then(call.name, "clip", lo=bounds[0], hi=bounds[1])


@handles("HardSigmoid")
def hard_sigmoid(_: Lifter, call: Call) -> Lifted:
    x = call.lifted().then(call.name, "mul", c=np.float32(call.attrs.get("alpha", 0.2)))
    x = x.then(call.name, "add", c=np.float32(call.attrs.get("beta", 0.5)))
    return x.then(call.name, "clip", lo=np.float32(0), hi=np.float32(1))


@handles("BatchNormalization")
def batch_normalization(lifter: Lifter, call: Call) -> Lifted:
    if call.attrs.get("training_mode", 0) or any(call.needed[1:]):
        raise call.error("it is in training mode", "export the model in inference mode")
    x = call.lifted()
    if len(x.shape) < 2:
        raise call.error("its input has no channel axis")
    shape = (1, -1, *[1] * (len(x.shape) - 2))
    names = ("scale", "bias", "mean", "var")
    arrays = [call.constant(i, n).astype(np.float32) for i, n in enumerate(names, start=1)]
    if any(a.size != x.shape[1] for a in arrays):
        raise call.error(f"{arrays[0].size} parameters for {x.shape[1]} channels", code="HW103")
    if (arrays[3] < 0).any():
        raise call.error("a variance is negative", code="HW104")
    x, values = lifter.constants(x, *(a.reshape(shape) for a in arrays))
    epsilon = np.float32(call.attrs.get("epsilon", 1e-5))
    return x.then(call.name, "batchnorm", **dict(zip(names, values, strict=True)), epsilon=epsilon)
