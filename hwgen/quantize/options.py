"""What can be chosen about quantization, and which choices fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwgen.core.errors import Diagnostics
from hwgen.frontends import Source
from hwgen.quantize.adaround import Rounding
from hwgen.quantize.clipping import METHODS
from hwgen.quantize.dead_channels import VARIANCE

EQUALIZERS = ("cross-layer", "smooth")
Widths = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Options:
    """How to quantize.

    ``method`` names how scales are found (:data:`hwgen.quantize.clipping.METHODS`, or ``adaround``
    for ``mse`` scales and learned rounding). ``per_channel`` weights have a scale per output,
    ``subtensor`` sets that number of scales instead. ``bias_correction`` folds what rounding and
    clipping do to the mean outputs into the biases; with ``match_variance`` it also matches the
    variance of each channel's weights, as ACIQ does. With ``sequential``, a layer's rounding and
    bias also make up for the error that the layers before it leave. ``bit_allocation`` spreads
    weight bits over channels. ``equalize`` is one of :data:`EQUALIZERS`, the first for True.
    ``dead_channels`` is the variance below which a BatchNormalization channel counts as constant,
    None for no repair. ``sum_bits`` are the bits of what residual connections and averages add, unless
    activations have more; what is multiplied too is then quantized once more. ``edge_bits`` are the fewest weight bits of the first
    and the last layer. ``widths`` gives (weight, activation) bits of single layers by name.
    ``input_range`` serves models with BatchNormalization that are quantized without data.
    """

    method: str = "mse"
    per_channel: bool = True
    equalize: str | bool = ""
    bias_correction: bool = False
    match_variance: bool = False
    sequential: bool = False
    bit_allocation: bool = False
    subtensor: int | None = None
    dead_channels: float | None = None
    rounding: Rounding | None = None
    sum_bits: int = 8
    edge_bits: int = 1
    widths: Widths | None = None
    input_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not self.equalize or self.equalize is True:
            object.__setattr__(self, "equalize", "cross-layer" if self.equalize else "")

    @property
    def equalizer(self) -> str:
        """One of :data:`EQUALIZERS`, or nothing."""
        return str(self.equalize or "")

    @property
    def clip(self) -> str:
        return "mse" if self.method == "adaround" else self.method

    @property
    def learned(self) -> Rounding | None:
        return self.rounding or (Rounding() if self.method == "adaround" else None)

    def __str__(self) -> str:
        """The method and what is combined with it, as the command line's options name them."""
        parts = [self.method, self.equalize and f"equalize {self.equalize}"]
        parts += ["adaround"] if self.rounding and self.method != "adaround" else []
        parts += ["bias correction"] if self.bias_correction else []
        parts += ["matched variance"] if self.match_variance else []
        parts += ["sequential"] if self.sequential else []
        parts += ["bit allocation"] if self.bit_allocation else []
        parts += [f"edges {self.edge_bits} bits"] if self.edge_bits > 1 else []
        if self.subtensor is not None:
            parts.append(f"{self.subtensor} scales per weight")
        elif not self.per_channel:
            parts.append("per tensor")
        return ", ".join(part for part in parts if part)


def check_options(source: Source, options: Options, calibrated: bool) -> None:
    """Raise HW110 for every option that has a value it cannot have."""
    problems = Diagnostics()

    def rule(option: str, fits: bool, why: str, help: str) -> None:  # noqa: A002
        if not fits:
            problems.add("HW110", where=f"--{option}", why=why, help=help)

    methods = (*METHODS, "adaround")
    rule("method", options.method in methods, f"there is no method {options.method}",
         f"choose one of {', '.join(methods)}, auto")  # fmt: skip
    rule("equalize", options.equalize in ("", *EQUALIZERS), f"there is no {options.equalize}",
         f"choose one of {', '.join(EQUALIZERS)}")  # fmt: skip
    rule("subtensor", options.subtensor is None or options.subtensor >= 1,
         f"must be at least 1, not {options.subtensor}", "1 is one scale per tensor")  # fmt: skip
    for option, bits in (("sum-bits", options.sum_bits), ("edge-bits", options.edge_bits)):
        rule(option, bits in range(1, 9), f"must be 1 to 8, not {bits}", "8 is usual")
    rule("dead-channels", options.dead_channels is None or options.dead_channels > 0,
         f"must be positive, not {options.dead_channels}", f"{VARIANCE:g} is usual")  # fmt: skip
    needs = [
        name for name, on in (
            ("bias-correction", options.bias_correction), ("adaround", options.learned),
            ("equalize smooth", options.equalize == "smooth"),
        ) if on
    ]  # fmt: skip
    for name in needs if not calibrated else ():
        rule(name, False, f"{source.name} has no calibration frames", "give calibration frames")
    problems.raise_if_any()
