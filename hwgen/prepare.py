"""What the options of a build add to a model before it is lifted: widths and number formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.budget import estimator
from hwgen.core.errors import fail
from hwgen.frames import read_frames
from hwgen.frontends import Source, quantize_input
from hwgen.frontends.annotate import is_float
from hwgen.frontends.select import select_output
from hwgen.quantize import Report, quantized
from hwgen.quantize.statistics import Progress, silent


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A fixed-point format: ``bits`` in all, ``fraction`` of them behind the point."""

    bits: int
    fraction: int
    signed: bool

    @classmethod
    def parse(cls, text: str) -> FixedPoint:
        """``Q3.12`` is signed with 3 integer and 12 fraction bits, 16 in all; ``UQ0.8`` unsigned.

        Raises HW110 for anything else, and where all bits together are not 1 to 24.
        """
        found = re.fullmatch(r"(U?)Q(\d{1,2})\.(\d{1,2})", text.upper())
        bits = sum(map(int, found.groups()[1:])) + (not found[1]) if found else 0
        if found is None or not 1 <= bits <= 24:
            fail("HW110", where="--input-format", why=f"{text} is no format of 1 to 24 bits",
                 help="write Q3.12 for 1 sign, 3 integer and 12 fraction bits, UQ0.8 for unsigned")  # fmt: skip
        return cls(bits, int(found[3]), signed=not found[1])


def prepare(source: Source, *, wbits: int | None = None, abits: int | None = None,
            calib: Path | None = None, input_format: str | None = None,
            output: str | None = None, ptq: Mapping[str, Any] | None = None,
            hardware: Mapping[str, Any] | None = None,
            report: bool = False,
            progress: Progress = silent) -> tuple[Source, Report | None]:  # fmt: skip
    """``source`` ready to be lifted, and with ``report`` what quantizing did, if it was quantized.

    ``output`` leaves out all that does not lead to this output of several.
    A float model is quantized to ``wbits`` and ``abits`` (8 where only one is given) by what its
    inputs in ``calib`` show; ``ptq`` are further arguments of
    :func:`hwgen.quantize.post_training`, of which a budget of LUTs is kept by what
    :func:`hwgen.schedule.schedule` makes of ``hardware``. ``input_format`` puts a fixed-point quantizer on real inputs.
    Raises HW203 for a float model without widths, HW110 for one without calibration frames and for
    calibration frames without a float model.
    """
    if output is not None:
        source = select_output(source, output)
    if input_format is not None:
        form = FixedPoint.parse(input_format)
        for name in source.inputs:
            if source.dtypes[name].startswith("float"):
                source = quantize_input(source, name, bits=form.bits, signed=form.signed,
                                        scale=2.0**-form.fraction)  # fmt: skip
    elif is_float(source):
        if wbits is None and abits is None:
            fail("HW203", where=source.name, why="the model is a float model: nothing quantizes it",
                 help="add --wbits 8 --abits 8 --calib frames.npy to quantize it here")  # fmt: skip
        if calib is None:
            fail("HW110", where="--calib", why="a float model is quantized by what it computes",
                 help="give --calib frames.npy with some dozens of typical inputs")  # fmt: skip
        frames = read_frames(calib, source.inputs)
        made, choices = quantized(source, wbits or 8, abits or 8, frames, progress=progress,
                            estimate=estimator(**(hardware or {})), **(ptq or {}))  # fmt: skip
        if report:
            progress("comparing with the float model")
        return made.source, made.report(choices) if report else None
    elif calib is not None or ptq:
        fail("HW110", where="--calib", why=f"{source.name} is quantized already",
             help="build it without --calib and without options of quantization")  # fmt: skip
    return source, None
