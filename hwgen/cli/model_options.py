"""The options of every command that reads a model."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from hwgen.core.limits import Limits, flag, meaning
from hwgen.ptq_options import add_options, given


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """What a quantized model must have, or what a float one is to get."""
    must = parser.prog.endswith("quantize")  # the others take models that are quantized already
    what = "" if must else " that the model must have"
    parser.add_argument("--wbits", type=int, required=must, help=f"weight bits{what}, 1 to 8")
    parser.add_argument("--abits", type=int, required=must, help=f"activation bits{what}, 1 to 8")
    parser.add_argument(
        "--calib",
        required=must,
        metavar="FILE",
        help=".npy or .npz of typical inputs, to quantize a float model by",
    )
    if not must:
        parser.add_argument(
            "--input-format", help="fixed-point format of real inputs, such as Q3.12"
        )
        parser.add_argument(
            "--output-name",
            metavar="NAME",
            help="the only output to take of several, with what leads to it",
        )
    add_options(parser)
    bounds = parser.add_argument_group("what a model file may cost (see docs/safety.md)")
    bounds.add_argument(
        "--external-data",
        metavar="DIR",
        help="only folder whose files may hold the model's tensors (none)",
    )
    for limit in fields(Limits):
        bounds.add_argument(
            flag(limit.name),
            type=int,
            metavar="N",
            default=limit.default,
            help=f"{meaning(limit.name)} ({limit.default})",
        )


def prepared(options: argparse.Namespace) -> dict[str, Any]:
    """What is to be done to a model before it is lifted."""
    calib = Path(options.calib) if options.calib else None
    bounds = {f.name: getattr(options, f"max_{f.name}") for f in fields(Limits)}
    external = Path(options.external_data) if options.external_data else None
    return {"wbits": options.wbits, "abits": options.abits, "calib": calib,
            "input_format": getattr(options, "input_format", None),
            "output": getattr(options, "output_name", None), "external_data": external,
            "limits": Limits(**bounds), "ptq": given(options)}  # fmt: skip
