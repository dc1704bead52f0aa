"""The options of the command line that say how a float model is quantized."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwgen.core.errors import fail

# Named here too, so that `hwgen --help` need not load what quantizes.
METHODS = ("minmax", "percentile", "mse", "aciq", "aciq-laplace", "aciq-gauss", "aciq-grid",
           "adaround", "auto")  # fmt: skip
EQUALIZERS = ("cross-layer", "smooth")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say how a float model is quantized."""
    group = parser.add_argument_group("how a float model is quantized (see docs/quantization.md)")
    group.add_argument("--method", metavar="NAME", help=f"{', '.join(METHODS)} (mse)")
    group.add_argument("--per-channel", action=argparse.BooleanOptionalAction, default=None,
                       help="a weight scale per output, or one per tensor (per output)")  # fmt: skip
    group.add_argument("--equalize", nargs="?", const=EQUALIZERS[0], metavar="KIND",
                       help=f"move scales between layers: {' or '.join(EQUALIZERS)}")  # fmt: skip
    for option, text in (
        ("--bias-correction", "give mean errors back in the biases"),
        ("--match-variance", "match the variance of each output's weights too"),
        ("--sequential", "make up for the layers before as well"),
        ("--bit-allocation", "spread weight bits over outputs, up to 4 bits"),
    ):
        group.add_argument(option, action="store_true", default=None, help=text)
    group.add_argument("--subtensor", type=int, metavar="G", help="G scales per weight tensor")
    group.add_argument("--sum-bits", type=int, metavar="N",
                       help="bits of what residual connections and averages add (8)")  # fmt: skip
    group.add_argument("--edge-bits", type=int, metavar="N",
                       help="fewest weight bits of the first and last layer")  # fmt: skip
    group.add_argument("--dead-channels", type=float, metavar="V",
                       help="repair BatchNormalization channels of variance below V")  # fmt: skip
    group.add_argument("--budget-bytes", type=int, metavar="B",
                       help="search the weight bits of each layer within B bytes")  # fmt: skip
    group.add_argument("--budget-luts", type=int, metavar="N",
                       help="search them for hardware of N LUTs at most, as estimated")  # fmt: skip
    group.add_argument("--widths", metavar="FILE",
                       help='.json of single layers: {"layer": [weight bits, activation bits]}')  # fmt: skip


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What the options of :func:`add_options` say, without those that were left out.

    Raises HW110 for options that exclude each other, and for a file of widths that is none.
    """
    names = ("method", "per_channel", "equalize", "bias_correction", "match_variance",
             "sequential", "bit_allocation", "subtensor", "sum_bits", "edge_bits", "dead_channels",
             "budget_bytes", "budget_luts", "widths")  # fmt: skip
    found = {n: value for n in names if (value := getattr(options, n)) is not None}
    for one, other in (("budget_bytes", "widths"), ("budget_luts", "widths"),
                       ("budget_bytes", "budget_luts"), ("subtensor", "bit_allocation"),
                       ("subtensor", "per_channel")):  # fmt: skip
        if one in found and found.get(other):
            flags = [f"--{name.replace('_', '-')}" for name in (one, other)]
            fail("HW110", where=flags[0], why=f"excludes {flags[1]}", help="leave one of them out")
    if "widths" in found:
        found["widths"] = read_widths(Path(found["widths"]))
    return found


def read_widths(path: Path) -> Mapping[str, tuple[int, int]]:
    """(weight, activation) bits by layer from a file. Raises HW101 and HW110."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        fail("HW101", where=str(path), why=str(error.strerror), help="give a .json of layer widths")
    except (ValueError, RecursionError):
        content = None
    right = isinstance(content, dict) and all(
        isinstance(v, list) and len(v) == 2 and all(type(bits) is int for bits in v)
        for v in content.values()
    )
    if not right or content is None:
        fail("HW110", where=str(path), why="it is not an object of pairs of whole numbers",
             help='write {"layer": [weight bits, activation bits], ...}')  # fmt: skip
    return {name: (w, a) for name, (w, a) in content.items()}
