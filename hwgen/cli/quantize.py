"""hwgen quantize: turn a float model into a quantized one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hwgen.cli.model_options import add_model_options, prepared
from hwgen.terminal import Terminal

TEXT = "turn a float model into a quantized one"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("-o", "--out", required=True, help=".onnx to write")
    add_model_options(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen.core.output import check_writable, write_atomically
    from hwgen.quantization import command

    chosen, out = prepared(options), Path(options.out)
    check_writable(out)
    terminal.progress("reading the model")
    model, report = command(
        options.model,
        options.calib,
        wbits=options.wbits,
        abits=options.abits,
        progress=terminal.progress,
        limits=chosen["limits"],
        external_data=chosen["external_data"],
        **chosen["ptq"],
    )
    write_atomically(out, lambda file: file.write(model.data))
    terminal.result(
        json.loads(
            json.dumps({"model": str(out), **report.as_dict()}), parse_constant=lambda _: None
        ),  # JSON has no infinity
        f"{report.summary()}\n{out} written\n  next: hwgen build {out}",
        report.table(),
    )
