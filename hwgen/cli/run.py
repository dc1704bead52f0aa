"""hwgen run: run frames through the reference, the Verilog or the source model."""

from __future__ import annotations

import argparse
from pathlib import Path

from hwgen.cli.model_options import add_model_options, prepared
from hwgen.core.errors import printable
from hwgen.terminal import Terminal

TEXT = "run frames through the reference, the Verilog or the source model"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="MODEL|DIR")
    parser.add_argument(
        "--input",
        required=True,
        help=".npy of frames (N, ...); .npz of one array per input where there are several",
    )
    parser.add_argument(
        "--output", required=True, help=".npy to write; an .npz where the model has several outputs"
    )
    parser.add_argument("--engine", default="reference", help="reference, rtl or onnx")
    parser.add_argument("--raw", action="store_true", help="write the hardware's integers")
    add_model_options(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    import numpy as np

    from hwgen import api
    from hwgen.core.output import check_writable, write_atomically

    check_writable(Path(options.output))
    terminal.progress(f"running {options.input} ({options.engine})")
    result = api.run(
        options.target,
        Path(options.input),
        engine=options.engine,
        raw=options.raw,
        **prepared(options),
    )
    if isinstance(result, np.ndarray):
        write_atomically(Path(options.output), lambda file: np.save(file, result))
        shape = "x".join(map(str, result.shape))
        terminal.result(
            {"output": options.output, "shape": list(result.shape), "dtype": str(result.dtype)},
            f"{options.output}: {shape} {result.dtype}",
        )
        return
    write_atomically(Path(options.output), lambda file: np.savez(file, **result))  # type: ignore[arg-type]
    terminal.result(
        {"output": options.output, "arrays": {k: list(y.shape) for k, y in result.items()}},
        f"{options.output}: an .npz of "
        + ", ".join(f"{printable(k)} {'x'.join(map(str, y.shape))}" for k, y in result.items()),
    )
