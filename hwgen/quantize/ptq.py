"""Post-training quantization: from a float model to a QONNX model, in one straight line.

The float model is repaired and equalized; calibration tells what its tensors hold; tensors that
layers multiply or add get a quantizer; weights become codes times a scale; biases take up what
rounding did to the means. BatchNormalization stays where it is unless equalization needs it folded:
lifting discharges it into thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hwgen.core.errors import Diagnostics, fail
from hwgen.frontends import Source
from hwgen.frontends.annotate import Quantizer, insert_quantizers
from hwgen.frontends.float_net import FloatNet, Layer
from hwgen.quantize import activations, equalize, weights
from hwgen.quantize.adaround import learn, second_moments
from hwgen.quantize.batchnorm import assumed
from hwgen.quantize.bias_correction import folded, moments
from hwgen.quantize.columns import columns, sample_columns, share
from hwgen.quantize.dead_channels import repair
from hwgen.quantize.options import Options, check_options
from hwgen.quantize.running import Running
from hwgen.quantize.sqnr import LayerReport, Report, compare, short, sqnr
from hwgen.quantize.statistics import Distribution, Progress, checked, collect, silent


def quantize(
    source: Source, wbits: int, abits: int, calibration: Mapping[str, np.ndarray] | None,
    method: str = "mse", *, progress: Progress = silent, **options: Any,
) -> Source:  # fmt: skip
    """``source`` with weights of ``wbits`` and activations of ``abits`` (1 to 8).

    ``calibration`` holds frames ``(N, ...)`` for every model input; None quantizes by what
    BatchNormalization says. ``options`` are the fields of :class:`Options`. Raises HW110 for a bad
    option, HW112 where the frames do not fit or show nothing, HW202 for a model that is quantized
    already, HW206 where nothing in it has weights.
    """
    chosen = Options(method, **options)
    return Session(source, calibration, chosen, progress).run(wbits, abits, chosen).source


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized model, and the float model and choices that it was made from."""

    session: Session
    source: Source
    options: Options
    quantizers: Mapping[str, Quantizer]
    codes: Mapping[str, weights.Codes]
    rows: Mapping[str, np.ndarray]
    shifts: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def weight_bits(self) -> int:
        """Bits of all weights, packed."""
        return sum(int(c.bits.sum()) * c.codes.shape[1] for c in self.codes.values())

    def report(self, choices: tuple[str, ...] = ()) -> Report:
        """Run both models on the calibration frames and compare them."""
        session = self.session
        assert session.frames is not None, "a report needs frames"
        layers = session.layers
        at, total, alike = compare(
            session.float_model, self.source, session.frames, [layer.y for layer in layers]
        )
        rows = tuple(self._layer(layer, at[layer.y]) for layer in layers)
        count = sum(layer.weights for layer in rows)
        return Report(session.net.name, str(self.options), rows, total, alike, -(-self.weight_bits // 8),
                      4 * count, choices)  # fmt: skip

    def _layer(self, layer: Layer, cumulative: float) -> LayerReport:
        codes, rows = self.codes[layer.name], self.rows[layer.name]
        quantizer = self.session.input_quantizer(layer, self.quantizers)
        scales = codes.scale[codes.bits > 0]
        inside = alone = float("nan")
        if layer.name in self.session.columns:
            x = self.session.columns[layer.name]
            xq = activations.codes_kept(x, quantizer)
            shift = self.shifts.get(layer.name, np.zeros(len(rows)))
            exact, found = products(x, rows), products(xq, codes.rows)
            inside, alone = sqnr(x, xq), sqnr(exact, found + shift.reshape(found.shape[1:]))
        return LayerReport(
            layer.name, layer.op, codes.width, float(codes.bits.mean()), quantizer.bits,
            rows.size, float(quantizer.scale), (float(scales.min()), float(scales.max())),
            sqnr(rows, codes.rows), inside, alone, cumulative,
        )  # fmt: skip


class Session:
    """A float model made ready, and what calibration says of it; shared by all trials on it."""

    def __init__(
        self, source: Source, calibration: Mapping[str, np.ndarray] | None, options: Options,
        progress: Progress = silent,
    ) -> None:  # fmt: skip
        check_options(source, options, calibration is not None)
        self.progress = progress
        self.net = net = FloatNet(source)
        if not net.layers():
            fail("HW206", where=source.name, why="no Conv, Gemm or MatMul with constant weights")
        self.input_range = options.input_range
        self.frames = None if calibration is None else checked(source, calibration)
        self.repaired: dict[str, int] = {}
        if options.dead_channels is not None:
            self.repaired = repair(net, options.dead_channels)
        if options.equalizer:
            net.fold_batchnorm()
            self._equalize(options.equalizer)
        self.sum_bits = options.sum_bits
        self.operands = activations.separate(net)
        self.layers = net.layers()
        self.float_model = net.source()

    def _equalize(self, kind: str) -> None:
        net = self.net
        if kind == "cross-layer":
            equalize.cross_layer(net)
        if self.frames is None:
            return
        if kind == "smooth":
            wanted = [pair.second.x for pair in equalize.pairs(net)]
        else:
            wanted = [pair.first.y for pair in equalize.pairs(net)]
        if not wanted:
            return
        seen = collect(net.source(), self.frames, wanted, per_channel=True, progress=self.progress)
        if kind == "smooth":
            equalize.smooth(net, seen)
        else:
            equalize.absorb(net, seen)

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Input columns of the layers."""
        assert self.frames is not None, "columns need frames"
        return sample_columns(self.float_model, self.layers, self.frames, progress=self.progress)

    @cached_property
    def _seen(self) -> dict[str, Distribution]:
        assert self.frames is not None, "statistics need frames"
        families = activations.cells(self.net, self.layers, {x.name: 8 for x in self.layers})
        names = {name for family in families for cell in family for name in cell.tensors}
        names |= set(self.operands)
        names |= {node.input[0] for name in names if (node := self._relu(name)) is not None}
        found = collect(self.float_model, self.frames, sorted(names), progress=self.progress)
        return {name: histogram.distribution() for name, histogram in found.items()}

    def _relu(self, tensor: str):
        node = self.net.maker(self.operands.get(tensor, tensor))
        return node if node is not None and node.op_type == "Relu" else None

    def _distribution(self, tensor: str) -> Distribution:
        if self.frames is None:
            return assumed(self.net, tensor, self.input_range)
        return self._seen[tensor]

    def _before(self, tensor: str) -> Distribution | None:
        node = self._relu(tensor)
        return None if node is None else self._distribution(node.input[0])

    def input_quantizer(self, layer: Layer, quantizers: Mapping[str, Quantizer]) -> Quantizer:
        return quantizers[activations.roots(self.net, layer.x, quantizers)[0]]

    def bits(self, wbits: int, abits: int, options: Options) -> dict[str, tuple[int, int]]:
        """(weight, activation) bits by layer. Raises HW110 for what no grid has."""
        problems = Diagnostics()
        names = [layer.name for layer in self.layers]
        for name in options.widths or {}:
            if name not in names:
                problems.add("HW110", where=f"layer `{name}`", why="the model has no such layer",
                             help=f"its layers are {', '.join(names[:8])}")  # fmt: skip
        given = dict.fromkeys(names, (wbits, abits)) | dict(options.widths or {})
        for name in {names[0], names[-1]}.difference(options.widths or {}):
            if isinstance(wbits, int) and wbits >= 1:
                given[name] = (max(wbits, options.edge_bits), abits)
        for name, pair in given.items():
            for option, value in zip(("--wbits", "--abits"), pair, strict=True):
                if not isinstance(value, int | np.integer) or not 1 <= value <= 8:
                    where = option if pair == (wbits, abits) else f"layer `{name}`"
                    problems.add("HW110", where=where, why=f"must be 1 to 8, not {value}",
                                 help="give whole bits")  # fmt: skip
        problems.raise_if_any()
        return given

    def activations(self, bits: Mapping[str, tuple[int, int]], method: str) -> dict[str, Quantizer]:
        """A quantizer for every tensor that needs one."""
        wanted = {name: a for name, (_, a) in bits.items()}
        for layer in self.layers:
            if set(activations.roots(self.net, layer.x)) & set(self.net.inputs):
                wanted[layer.name] = max(wanted[layer.name], activations.INPUT_BITS)
        families = activations.cells(self.net, self.layers, wanted, operands=self.operands,
                                     sum_bits=self.sum_bits)  # fmt: skip
        return activations.quantizers(self.net, families, self._distribution, self._before, method,
                                      self.frames, self.sum_bits)  # fmt: skip

    def run(self, wbits: int, abits: int, options: Options) -> Quantized:
        """Quantize; everything but the widths and the equalization may differ between runs."""
        bits = self.bits(wbits, abits, options)
        quantizers = self.activations(bits, options.clip)
        net, codes, rows, shifts = FloatNet(self.float_model), {}, {}, {}
        fitted = options.bias_correction or options.learned is not None
        running = None
        if options.sequential and fitted and self.frames is not None:
            running = Running(net, quantizers, self.frames)
        for name in [layer.name for layer in self.layers]:
            layer = _named(net, name)
            w = layer.rows(net.arrays[layer.weight]).astype(np.float64)
            inputs = None
            if fitted and name in self.columns:
                inputs = self._inputs(layer, quantizers, running)
            made = self._weights(w, bits[name][0], options, inputs)
            if options.bias_correction and inputs is not None:
                means = [x.mean(axis=0) for x in inputs]
                shifts[name] = folded(w, made.rows, *means)
                net.add_to_bias(layer, shifts[name])
            net.arrays[layer.weight] = layer.unrows(made.rows).astype(np.float32)
            codes[name], rows[name] = made, w
            self.progress(f"quantized layer {len(codes)} of {len(self.layers)}: {short(name)}")
        done = self._closed(net, codes, quantizers)
        return Quantized(self, done, options, quantizers, codes, rows, shifts)

    def _closed(self, net: FloatNet, codes: Mapping[str, weights.Codes],
                quantizers: Mapping[str, Quantizer]) -> Source:  # fmt: skip
        """The model so far: quantizers on activations, and on the weights that have codes."""
        on_weights = {
            layer.weight: Quantizer(
                made.width, layer.per_output(made.scale), signed=True, narrow=made.width > 1
            )
            for layer in net.layers() if (made := codes.get(layer.name)) is not None
        }  # fmt: skip
        return insert_quantizers(net.source(), {**quantizers, **on_weights})

    def _inputs(self, layer: Layer, quantizers: Mapping[str, Quantizer],
                running: Running | None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Columns of the layer's input in float, and as the layer will read them.

        The latter are the former quantized, or what the model makes that is quantized up to here.
        """
        x = found = self.columns[layer.name]
        if running is not None:
            reached = running.reach(layer.x)
            found = columns(layer, reached, share(layer, len(reached)))
        return x, activations.codes_kept(found, self.input_quantizer(layer, quantizers))

    def _weights(self, w: np.ndarray, bits: int, options: Options,
                 inputs: tuple[np.ndarray, np.ndarray] | None) -> weights.Codes:  # fmt: skip
        groups = weights.sharing(w, per_channel=options.per_channel, subtensor=options.subtensor)
        allocation = options.bit_allocation and options.per_channel and options.subtensor is None
        width = weights.widths(w, bits, allocation=allocation)
        scale = weights.scales(w, width, groups, options.clip)
        made = weights.nearest(w, scale, width)
        if options.learned is not None and width.min() > 1 and inputs is not None:
            if options.bias_correction:  # the bias takes up the means: only what varies counts
                inputs = tuple(x - x.mean(axis=0) for x in inputs)
            gram, cross = second_moments(*inputs)
            grid = weights.grid_of(made)
            learned = learn(w, scale, grid.lo, grid.hi, gram, cross, options.learned)
            made = weights.Codes(learned, scale, width)
        if options.match_variance:
            xi, _ = moments(w, made.rows)
            made = weights.Codes(made.codes, (made.scale * xi).astype(np.float32), made.bits)
        return made


def _named(net: FloatNet, name: str) -> Layer:
    return next(layer for layer in net.layers() if layer.name == name)


def products(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Outputs ``(n, groups, outputs of a group)`` for columns ``(n, groups, k)``."""
    w = rows.reshape(x.shape[1], -1, x.shape[2]).astype(np.float32)
    return np.einsum("ngk,gok->ngo", x, w, optimize=True)
