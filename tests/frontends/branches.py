"""Random quantized networks that fork and join, in every dialect.

``random_branches(rng)`` draws one: layers on tensors made before, of which several may be outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.frontends.layers import conv_layer, dense_layer, layer, moved
from tests.frontends.networks import Network
from tests.frontends.writer import DIALECTS, KINDS, Act, Soft, Writer

FRAMES = 8
LARGEST = 160  # elements of a tensor


@dataclass
class Branches(Network):
    """``soft`` says where a runtime may round another way than exact arithmetic."""

    dialect: str = ""
    soft: list[Soft] = field(default_factory=list)


def random_branches(rng: np.random.Generator, dialect: str = "") -> Branches:
    """Two to seven layers over one or two inputs; one to four outputs."""
    w = Writer(rng, dialect or str(rng.choice(DIALECTS)))
    rank = w.pick(4, 4, 4, 4, 3, 2)
    sizes = tuple(int(n) for n in rng.integers(3, 7, rank - 2))
    channels = 2 * int(rng.integers(4, 9)) if rank == 2 else int(rng.integers(1, 6))
    inputs, frames, acts = {}, {}, []
    for name in w.pick(("x",), ("x",), ("x", "y")):
        inputs[name], frames[name], a = _input(w, name, (1, channels, *sizes))
        acts.append(a)
    read: set[int] = set()
    for _ in range(int(rng.integers(2, 8))):
        a = acts[int(rng.integers(max(0, len(acts) - 3), len(acts)))]
        read.add(id(a))
        first = dense_layer if len(a.shape) == 2 else conv_layer
        made = layer(w, a, acts, read) if len(acts) > len(inputs) else first(w, a)
        acts += [b for b in made if b is not a and 0 < math.prod(b.shape) <= LARGEST]
    ends = [a for a in acts if id(a) not in read][-4:] or acts[-1:]
    if w.maybe(0.3):
        ends = [*ends, *[a for a in acts[1:] if id(a) in read][:1]]
    outputs = [name for a in ends for name in _output(w, a)]
    model = w.model(inputs, list(dict.fromkeys(outputs)))
    return Branches(model, frames, True, [], w.dialect, w.soft)


def _input(w: Writer, name: str, shape: tuple[int, ...]) -> tuple[Any, np.ndarray, Act]:
    """Its kind and shape, frames for it, and the tensor on a grid; channels may come last."""
    last = len(shape) == 4 and w.maybe(0.3)
    given = (1, *shape[2:], shape[1]) if last else shape
    kind = w.pick("float32", "float32", "uint8", "int8")
    frames: np.ndarray = np.rint(w.rng.normal(0.3, 1, (FRAMES, *given[1:])) * 64) / 64
    frames = frames.astype(np.float32)
    a = Act(given, 1.0, name)
    if kind != "float32":
        low = -128 if kind == "int8" else 0
        frames = w.rng.integers(low, low + 256, frames.shape).astype(kind)
        zero = int(w.pick(low, low + 128, low + 100))
        a = Act(given, 1.0, "", name, 2.0**-6, zero, kind)
        if w.dialect == "qonnx":
            x = w.node("Mul", w.node("Cast", name, to=KINDS["float32"]), w.const(a.scale))
            a = Act(given, 2.0, x)
        elif w.dialect != "qoperator":
            a = replace(a, real=w.real(a))
    early = last and w.maybe()
    if early:
        a = moved(w, a, "Transpose", shape, perm=[0, 3, 1, 2])
    if kind == "float32" or w.dialect == "qonnx" or w.maybe(0.2):
        a = w.quantized(a)
    if last and not early:
        a = moved(w, a, "Transpose", shape, perm=[0, 3, 1, 2])
    return (kind, given), frames, a


def _output(w: Writer, a: Act) -> list[str]:
    """Its integers, its real numbers, or an index of the greatest."""
    if len(a.shape) == 4 and w.maybe(0.2):
        a = moved(w, a, "Transpose", (1, *a.shape[2:], a.shape[1]), perm=[0, 2, 3, 1])
    if w.maybe(0.1) and len(a.shape) == 2 and a.kind != "int16":
        return [w.node("ArgMax", w.real(a), axis=1, keepdims=w.pick(0, 1))]
    return [a.codes if a.codes and w.maybe() else w.real(a)]
