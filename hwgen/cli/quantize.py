"""hwgen quantize: turn a float model into a quantized one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hwgen.cli.model_options import add_model_options, prepared
from hwgen.core.errors import fail
from hwgen.report import sqnr
from hwgen.terminal import Terminal

TEXT = "turn a float model into a quantized one"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("-o", "--out", required=True, help=".onnx to write")
    parser.add_argument(
        "--report",
        metavar="FILE.md",
        help="page of what each layer lost to write, and FILE.svg, its plot",
    )
    add_model_options(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen.core.output import check_writable, write_atomically
    from hwgen.quantization import command

    chosen, out = prepared(options), Path(options.out)
    page = Path(options.report) if options.report else None
    if page is not None and page.suffix != ".md":
        fail("HW110", where="--report", why=f"{page} is no .md file", help="name one, like q.md")
    for path in (out, *((page, page.with_suffix(".svg")) if page else ())):
        check_writable(path)
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
    if page is not None:
        image, content = page.with_suffix(".svg"), report.as_dict()
        plot, text = sqnr.plot(content), sqnr.page(content, image.name)
        write_atomically(image, lambda file: file.write(plot.encode()))
        write_atomically(page, lambda file: file.write(text.encode()))
    terminal.result(
        json.loads(
            json.dumps({"model": str(out), **report.as_dict()}), parse_constant=lambda _: None
        ),  # JSON has no infinity
        f"{report.summary()}\n{out} written{f', report in {page}' if page else ''}\n"
        f"  next: hwgen build {out}",
        report.table(),
    )
