"""ONNX operators that only move elements: the index follows, and no hardware is needed."""

from __future__ import annotations

import math

import numpy as np

from hwgen.frontends.call import Call, handles
from hwgen.frontends.lifted import Tensor
from hwgen.frontends.lifter import Lifter


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


@handles("Identity", "Dropout", patient=True)
def identity(_: Lifter, call: Call) -> Tensor:
    if any(call.needed[1:]):
        raise call.error("its mask is used", "export the model in inference mode")
    return _data(call)


@handles("Reshape", patient=True)
def reshape(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    shape = [int(size) for size in np.ravel(call.constant(1, "shape"))]
    if not call.attrs.get("allowzero", 0):
        if any(size == 0 and i >= len(x.shape) for i, size in enumerate(shape)):
            raise call.error(f"shape {shape} copies an axis that {x.shape} lacks", code="HW103")
        shape = [size or x.shape[i] for i, size in enumerate(shape)]
    return _reshaped(call, x, tuple(shape))


@handles("Flatten", patient=True)
def flatten(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    axis = call.attrs.get("axis", 1)
    axis += len(x.shape) if axis < 0 else 0
    return _reshaped(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@handles("Squeeze", patient=True)
def squeeze(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    axes = _axes(call, len(x.shape))
    if axes is None:
        axes = [axis for axis, size in enumerate(x.shape) if size == 1]
    return _reshaped(call, x, tuple(s for axis, s in enumerate(x.shape) if axis not in axes))


@handles("Unsqueeze", patient=True)
def unsqueeze(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    given = call.attrs.get("axes", ()) if call.get(1) is None else call.constant(1, "axes")
    count = np.size(given)
    axes = _axes(call, len(x.shape) + count) or []
    if len(set(axes)) != count:
        raise call.error(f"axes {axes} name one twice", code="HW103")
    sizes = iter(x.shape)
    rank = len(x.shape) + len(axes)
    return _reshaped(call, x, tuple(1 if axis in axes else next(sizes) for axis in range(rank)))


@handles("Transpose", patient=True)
def transpose(_: Lifter, call: Call) -> Tensor:
    x = _data(call)
    axes = tuple(call.attrs.get("perm", range(len(x.shape))[::-1]))
    if sorted(axes) != list(range(len(x.shape))):
        raise call.error(f"perm {axes} for a tensor of rank {len(x.shape)}", code="HW103")
    return x.layout(lambda a: a.transpose(axes))


@handles("SpaceToDepth", patient=True)
def space_to_depth(_: Lifter, call: Call) -> Tensor:
    x, block = _data(call), call.attrs.get("blocksize", 0)
    if len(x.shape) != 4 or block < 1 or x.shape[2] % block or x.shape[3] % block:
        raise call.error(f"blocks of {block} do not divide {x.shape}", code="HW103")
    n, c, h, w = x.shape
    split = (n, c, h // block, block, w // block, block)
    shape = (n, c * block**2, h // block, w // block)
    return x.layout(lambda a: a.reshape(split).transpose(0, 3, 5, 1, 2, 4).reshape(shape))


@handles("DepthToSpace", patient=True)
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
