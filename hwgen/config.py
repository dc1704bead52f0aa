"""What a build is asked to do: one frozen object, checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwgen.core.errors import Diagnostics
from hwgen.core.limits import DEFAULT, Limits
from hwgen.lowering import DSPS

FOLDINGS = ("serial", "balanced", "parallel")
TARGETS = ("verilog",)


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """The options of ``hwgen build``.

    ``wbits``, ``abits`` : widths that the model must have (1 to 8), or None.
    ``interval`` : cycles per frame not to exceed; or ``fps`` at ``clock_mhz``; or else ``folding``.
    ``dsp`` : the kind of DSPs that MAC arrays may multiply in (:data:`hwgen.lowering.DSPS`), or None;
    ``dsps`` : at most so many, or any number.
    ``frames`` : how many frames of stimulus go into the build, ``seed`` draws those not given.
    ``frames_file`` : an ``.npy`` or ``.npz`` (array ``x``) of model inputs to simulate with.
    ``calib`` : such a file of typical inputs, by which a float model is quantized to ``wbits`` and
    ``abits``; ``ptq`` are further arguments of :func:`hwgen.quantize.post_training`.
    ``input_format`` : fixed-point format of real inputs, such as ``Q3.12``.
    ``output`` : the only output to build, of several.

    ``compare`` : frames on which the integers are compared with the source model's, 0 for none.
    ``external_data`` : the only folder whose files may hold tensors of the model, or None.
    ``limits`` : what the model may cost.

    Raises HwgenError HW110 with every option whose value cannot be.
    """

    model: Path
    out: Path
    wbits: int | None = None
    abits: int | None = None
    target: str = "verilog"
    folding: str = "balanced"
    interval: int | None = None
    fps: float | None = None
    clock_mhz: float = 100.0
    dsp: str | None = None
    dsps: int | None = None
    frames: int = 100
    frames_file: Path | None = None
    seed: int = 0
    calib: Path | None = None
    ptq: Mapping[str, Any] = field(default_factory=dict)
    input_format: str | None = None
    compare: int = 8
    output: str | None = None
    external_data: Path | None = None
    limits: Limits = DEFAULT

    def __post_init__(self) -> None:
        problems = Diagnostics()

        def need(fits: bool, option: str, rule: str, value: Any) -> None:
            if not fits:
                problems.add("HW110", where=option, why=f"must be {rule}, not {value}",
                             help="`hwgen build --help` lists the options")  # fmt: skip

        for option, bits in (("--wbits", self.wbits), ("--abits", self.abits)):
            need(bits is None or 1 <= bits <= 8, option, "1 to 8", bits)
        need(self.target in TARGETS, "--target", " or ".join(TARGETS), self.target)
        need(self.interval is None or self.interval >= 1, "--interval", "at least 1", self.interval)
        need(0.001 <= self.clock_mhz <= 1e6, "--clock-mhz", "0.001 to 1000000", self.clock_mhz)
        fastest = self.clock_mhz * 1e6  # one frame per cycle
        need(self.fps is None or 0 < self.fps <= fastest, "--fps",
             f"greater than 0 and at most {fastest:g}, one frame per cycle", self.fps)  # fmt: skip
        need(1 <= self.frames <= 100_000, "--frames", "1 to 100000", self.frames)
        need(0 <= self.compare <= 100_000, "--compare", "0 to 100000", self.compare)
        need(self.seed >= 0, "--seed", "0 or more", self.seed)
        need(self.folding in FOLDINGS or self.folding.endswith(".json"), "--folding",
             f"{', '.join(FOLDINGS)} or a .json file", self.folding)  # fmt: skip
        need(self.dsp is None or self.dsp in DSPS, "--dsp", f"one of {', '.join(DSPS)}", self.dsp)
        need(self.dsp is None or self.folding_file is None, "--dsp",
             "absent where a folding file names the lowerings", self.dsp)  # fmt: skip
        need(self.dsps is None or (self.dsp is not None and self.dsps >= 0), "--dsps",
             "0 or more, and with --dsp", self.dsps)  # fmt: skip
        need(self.interval is None or self.fps is None, "--fps", "absent where --interval is given",
             self.fps)  # fmt: skip
        problems.raise_if_any()

    @property
    def cycles(self) -> int | None:
        """Cycles per frame not to exceed, from ``interval`` or ``fps``."""
        if self.fps is None:
            return self.interval
        cycles = self.clock_mhz * 1e6 / self.fps
        return max(1, int(min(cycles, 1e18)))  # a frame in years is no bound

    @property
    def folding_file(self) -> Path | None:
        """The file that names the foldings, if one does."""
        return None if self.folding in FOLDINGS else Path(self.folding)

    def fingerprint(self) -> dict[str, Any]:
        """What of the configuration decides the bytes of a build: no paths, no machine."""
        return {
            "wbits": self.wbits, "abits": self.abits, "target": self.target,
            "folding": self.folding if self.folding in FOLDINGS else "file", "cycles": self.cycles,
            "clock_mhz": self.clock_mhz, "dsp": self.dsp, "dsps": self.dsps, "frames": self.frames, "seed": self.seed, "input_format": self.input_format, "output": self.output,
            "ptq": dict(self.ptq), "compare": self.compare,
        }  # fmt: skip
