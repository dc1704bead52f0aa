"""Which tensors get a quantizer, which of them share a grid, and with what scale.

A quantizer stands where a tensor is made, behind its activation: layout and maxima run on codes.
Operands of products have the bits that were asked for. Summands of residual connections and of
averages have at least ``sum_bits``, since nothing multiplies them. A tensor that is both, such as
the one that a residual block begins with, keeps the wider codes; what multiplies it reads them
through a second quantizer (:func:`separate`).

Tensors that meet in a Concat share one grid. Those that meet in an Add have scales whose ratios are
powers of two, so that the sum of shifted codes is the sum of the values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hwgen.core.errors import fail
from hwgen.frontends.annotate import Quantizer
from hwgen.frontends.float_net import FloatNet, Layer
from hwgen.quantize.clipping import scale_of
from hwgen.quantize.grid import Grid
from hwgen.quantize.statistics import Distribution

SUM_BITS = 8
NONE: Mapping[str, str] = {}
INPUT_BITS = 8  # what a camera or a microphone delivers; the model's input is never coarser
SUMS = frozenset({"Add", "Sub"})
AVERAGES = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})
LAYOUT = frozenset({"Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze",
                    "Transpose", "Slice", "Pad", "MaxPool", "GlobalMaxPool", "DepthToSpace",
                    "SpaceToDepth", "Concat"})  # fmt: skip
FORMATS = (1.0, 1 / 255, 1 / 256, 1 / 128, 1 / 127)  # steps of data that was integer once


@dataclass(eq=False)
class Cell:
    """Tensors on one grid; ``bits`` of an operand, None for mere summands."""

    tensors: set[str]
    bits: int | None


def separate(net: FloatNet) -> dict[str, str]:
    """Give layers that read what sums read too a tensor of their own, an Identity behind it.

    Returns the new tensors, each with the one that it repeats. Model inputs stay as they are.
    """
    dynamic, shared = net.dynamic(), set()
    for node in net.nodes:
        values = [name for name in node.input if name in dynamic]
        if node.op_type in AVERAGES or (node.op_type in SUMS and len(values) > 1):
            shared.update(root for name in values for root in roots(net, name))
    made: dict[str, str] = {}
    for layer in net.layers():
        if shared.difference(net.inputs).intersection(roots(net, layer.x)):
            made[net.repeat_input(layer)] = layer.x
    return made


def cells(net: FloatNet, layers: list[Layer], abits: Mapping[str, int], *,
          operands: Mapping[str, str] = NONE, sum_bits: int = SUM_BITS) -> list[list[Cell]]:  # fmt: skip
    """Families of cells whose scales are powers of two apart.

    ``abits`` gives the activation bits of each layer by name; a cell that several layers read has
    the most of theirs. Products of two activations take the most bits of all. ``operands``, from
    :func:`separate`, are cells of their own where they are narrower than ``sum_bits``.
    """
    widest = {layer.x: 0 for layer in layers}
    for layer in layers:
        widest[layer.x] = max(widest[layer.x], abits[layer.name])
    narrow = {name for name in operands if widest[name] < sum_bits}
    found: list[Cell] = []
    links: list[list[Cell]] = []

    def want(tensor: str, bits: int | None) -> Cell:
        tensors = set(roots(net, tensor, narrow))
        touching = [cell for cell in found if cell.tensors & tensors]
        joined = touching[0] if touching else Cell(set(), None)
        if not touching:
            found.append(joined)
        joined.tensors |= tensors
        for other in touching[1:]:
            joined.tensors |= other.tensors
            joined.bits = _most(joined.bits, other.bits)
            found.remove(other)
            for link in links:
                link[:] = [joined if cell is other else cell for cell in link]
        joined.bits = _most(joined.bits, bits)
        return joined

    dynamic = net.dynamic()
    for layer in layers:
        want(layer.x, abits[layer.name])
    for node in net.nodes:
        values = [name for name in node.input if name in dynamic]
        if node.op_type in AVERAGES:
            want(values[0], None)
        elif node.op_type in SUMS and len(values) > 1:
            links.append([])
            links[-1] += [want(name, None) for name in values]
        elif node.op_type == "Mul" and len(values) > 1:
            for name in values:
                want(name, max(abits.values()))
    families: list[list[Cell]] = []
    for cell in found:
        linked = [cell, *(c for link in links if cell in link for c in link)]
        touching = [family for family in families if any(c in family for c in linked)]
        families = [family for family in families if family not in touching]
        members = [c for family in touching for c in family] + linked
        families.append(sorted(set(members), key=found.index))
    return families


def roots(net: FloatNet, tensor: str, ends: Container[str] = ()) -> list[str]:
    """The tensors that ``tensor`` consists of, but for its layout; ``ends`` consist of nothing."""
    node = net.maker(tensor)
    if tensor in ends or node is None or node.op_type not in LAYOUT or not _keeps_values(net, node):
        return [tensor]
    parts = list(node.input) if node.op_type == "Concat" else [node.input[0]]
    return [root for part in parts for root in roots(net, part, ends)]


def quantizers(
    net: FloatNet, families: list[list[Cell]], seen: Callable[[str], Distribution],
    before: Callable[[str], Distribution | None], method: str,
    frames: Mapping[str, np.ndarray] | None = None, sum_bits: int = SUM_BITS,
) -> dict[str, Quantizer]:  # fmt: skip
    """The quantizer of every tensor.

    ``seen`` tells what a tensor holds, ``before`` what stood ahead of its ReLU. A model input is
    not clipped, and keeps the step of the integers it was made from if its ``frames`` show one.
    Raises HW112 for a tensor that is constant.
    """
    made: dict[str, Quantizer] = {}
    for family in families:
        reference = next((cell for cell in family if cell.bits is not None), family[0])
        scales, grids = {}, {}
        for cell in [reference, *(c for c in family if c is not reference)]:
            values = [seen(name) for name in sorted(cell.tensors)]
            whole = values[0]
            for other in values[1:]:
                whole = whole.merged(other)
            if whole.min == whole.max:
                fail("HW112", where=f"{net.name}: tensor `{min(cell.tensors)}`",
                     why=f"it is {whole.min:g} in every frame: no scale can be found",
                     help="calibrate with typical inputs, and check the model")  # fmt: skip
            entering = cell.tensors & set(net.inputs)
            bits = max(sum_bits, *(c.bits or 0 for c in family)) if cell.bits is None else cell.bits
            grid = Grid(bits, signed=whole.min < 0)
            ahead = before(next(iter(cell.tensors))) if len(cell.tensors) == 1 else None
            scale = scale_of("minmax" if entering else method, whole, grid, ahead)
            if entering and frames is not None:
                data = np.concatenate([np.ravel(frames[name]) for name in sorted(entering)])
                scale = step_of(data, grid) or scale
            if cell is not reference:
                ratio = math.log2(scale / scales[id(reference)])
                # a summand never clips more than it would alone; an operand takes the nearest
                power = math.ceil(ratio - 1e-9) if cell.bits is None else round(ratio)
                scale = scales[id(reference)] * 2.0**power
            scales[id(cell)], grids[id(cell)] = scale, grid
        for cell in family:
            grid, scale = grids[id(cell)], np.asarray(scales[id(cell)], np.float32)
            for name in cell.tensors:
                made[name] = Quantizer(grid.bits, scale, grid.signed)
    return made


def step_of(values: np.ndarray, grid: Grid) -> float | None:
    """The step of which all ``values`` are multiples that ``grid`` holds, if it is a usual one."""
    for step in FORMATS:
        codes = np.rint(values / step)
        inside = grid.lo <= codes.min() and codes.max() <= grid.hi
        if inside and np.abs(values / step - codes).max() < 1e-3:
            return step
    return None


def grid_of(quantizer: Quantizer) -> Grid:
    return Grid(quantizer.bits, quantizer.signed, quantizer.narrow)


def codes_kept(values: ArrayLike, quantizer: Quantizer | None) -> np.ndarray:
    """``values`` as ``quantizer`` passes them on."""
    array = np.asarray(values)
    if quantizer is None:
        return array
    return grid_of(quantizer)(array, float(quantizer.scale)).astype(np.float32)


def _keeps_values(net: FloatNet, node) -> bool:
    """Whether the node only moves values; padding must put in zeros, which every grid holds."""
    if node.op_type != "Pad":
        return True
    modes = [a.s for a in node.attribute if a.name == "mode"]
    values = [a.f for a in node.attribute if a.name == "value"]
    if len(node.input) > 2 and node.input[2]:
        values.append(float(np.ravel(net.arrays.get(node.input[2], np.ones(1)))[0]))
    return modes in ([], [b"constant"]) and not any(values)


def _most(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
