"""Signal-to-quantization-noise ratios: how much each layer loses, and which lose most.

``SQNR = 10 log10(E x^2 / E (x - xq)^2)`` dB (as Sheng et al., arXiv 1803.08607, measure layers).
Four figures per layer: of its weights, of its input, of its output if it alone were quantized, and
of its output in the quantized model, where all that came before adds up. The third tells
bottlenecks, since noise never leaves the fourth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hwgen.core.errors import printable
from hwgen.frontends import Source
from hwgen.quantize.statistics import fetch

BATCH = 64
CHUNK = 1 << 24  # numbers of each model in a batch
WORST = 3  # layers that the report names


@dataclass(frozen=True)
class LayerReport:
    """One layer: widths, the scale of its input, the span of its weights' scales, SQNR in dB."""

    name: str
    op: str
    wbits: int
    mean_bits: float
    abits: int
    weights: int
    input_scale: float
    weight_scales: tuple[float, float]
    sqnr_weight: float
    sqnr_input: float
    sqnr_alone: float
    sqnr: float


@dataclass(frozen=True)
class Report:
    """What quantization did: layer by layer, at the outputs, and what was chosen.

    ``agreement`` is the share of frames whose greatest output is the float model's, None for a
    single number per frame; bytes are of packed weights.
    """

    model: str
    method: str
    layers: tuple[LayerReport, ...]
    sqnr: float
    agreement: float | None
    weight_bytes: int
    float_bytes: int
    choices: tuple[str, ...] = field(default=())

    def worst(self, count: int = WORST) -> tuple[LayerReport, ...]:
        """The layers that lose most on their own, worst first."""
        known = [layer for layer in self.layers if not math.isnan(layer.sqnr_alone)]
        return tuple(sorted(known, key=lambda layer: layer.sqnr_alone)[:count])

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Head and rows; the worst layers carry their rank."""
        head = ("layer", "op", "W", "A", "input scale", "weights dB", "input dB", "alone dB",
                "in model dB", "worst")  # fmt: skip
        rank = {layer.name: str(k) for k, layer in enumerate(self.worst(), 1)}
        return head, [
            (short(x.name), x.op, _bits(x), str(x.abits), f"{x.input_scale:.3g}",
             *map(_db, (x.sqnr_weight, x.sqnr_input, x.sqnr_alone, x.sqnr)), rank.get(x.name, ""))
            for x in self.layers
        ]  # fmt: skip

    def summary(self) -> str:
        """A few lines for a terminal."""
        same = "" if self.agreement is None else f", {self.agreement:.1%} of frames decided alike"
        names = ", ".join(f"{short(x.name)} ({_db(x.sqnr_alone)} dB)" for x in self.worst())
        return "\n".join([
            f"{short(self.model)}: {self.method}, output SQNR {_db(self.sqnr)} dB{same}",
            f"  weights {self.weight_bytes} bytes, {self.float_bytes} in float",
            f"  layers that lose most on their own: {names}",
            *(f"  {line}" for line in self.choices),
        ])  # fmt: skip

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Report:
        """The report that :meth:`as_dict` describes."""
        given = {key: value for key, value in content.items() if key != "worst"}
        layers = tuple(
            LayerReport(**{**layer, "weight_scales": tuple(layer["weight_scales"])})
            for layer in given.pop("layers")
        )
        return cls(**{**given, "layers": layers, "choices": tuple(given["choices"])})

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "worst": [layer.name for layer in self.worst()]}


def decibel(signal: float, noise: float) -> float:
    """``10 log10(signal / noise)``; infinite without noise."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def sqnr(exact: np.ndarray, found: np.ndarray) -> float:
    """The SQNR of ``found`` in dB."""
    exact = np.asarray(exact, np.float64)
    return decibel(float(np.square(exact).mean()), float(np.square(exact - found).mean()))


def compare(
    exact: Source, quantized: Source, frames: Mapping[str, np.ndarray], names: Sequence[str]
) -> tuple[dict[str, float], float, float | None]:
    """SQNR of the named tensors, of all outputs together, and how many frames decide alike.

    Both models run on ``frames`` batch by batch. A softmax at an output is looked through.
    """
    outputs = [logits(exact, name) for name in exact.outputs]
    names = list(dict.fromkeys([*names, *outputs]))
    power = {name: np.zeros(2) for name in names}
    alike = count = 0
    start, step, every = 0, 1, len(next(iter(frames.values())))
    while start < every:
        batch = {name: array[start : start + step] for name, array in frames.items()}
        a, b = fetch(exact, batch, names), fetch(quantized, batch, names)
        start += step
        step = max(1, min(BATCH, CHUNK // sum(x[0].size for x in a.values())))
        for name in names:
            error = np.asarray(a[name], np.float64) - b[name]
            power[name] += np.square(a[name], dtype=np.float64).sum(), np.square(error).sum()
        first, second = (x[outputs[0]].reshape(len(a[outputs[0]]), -1) for x in (a, b))
        alike += int((first.argmax(axis=1) == second.argmax(axis=1)).sum())
        count += len(first)
    several = len(outputs) == 1 and first.shape[1] > 1
    signal, noise = np.sum([power[name] for name in outputs], axis=0)
    return (
        {name: decibel(*power[name]) for name in names},
        decibel(signal, noise),
        alike / count if several else None,
    )


def logits(source: Source, name: str) -> str:
    """The tensor that a softmax at output ``name`` reads, or ``name``."""
    for node in source.nodes:
        if name in node.output and node.op_type == "Softmax":
            return node.input[0]
    return name


def short(name: str, limit: int = 40) -> str:
    """``name`` fit for a terminal, its middle left out where it is long."""
    name = printable(name, 4096)
    half = (limit - 3) // 2
    return name if len(name) <= limit else f"{name[:half]}...{name[-half:]}"


def _db(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1f}"


def _bits(layer: LayerReport) -> str:
    same = layer.mean_bits == layer.wbits
    return str(layer.wbits) if same else f"{layer.wbits} (mean {layer.mean_bits:.2f})"
