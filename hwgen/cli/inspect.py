"""hwgen inspect: show layers, widths and work of a model."""

from __future__ import annotations

import argparse
from collections import Counter

from hwgen.cli.model_options import add_model_options, prepared
from hwgen.core.errors import printable
from hwgen.terminal import Terminal

TEXT = "show layers, widths and work of a model"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    add_model_options(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    terminal.progress("reading the model")
    found = api.inspect(options.model, **prepared(options))
    layers = {x["name"] for x in found["layers"]}
    rows = [
        (x["name"], x["op"], x["input"], x["output"], str(x["wbits"] or ""), str(x["abits"] or ""),
         str(x["macs"] or ""))
        for x in found["layers"]
    ]  # fmt: skip
    ports = [
        f"  {side} {printable(p['name'])}: {p['shape']} {p['dtype']}, on the host: {p['host']}"
        for side in ("input", "output") for p in found[f"{side}s"]
    ]  # fmt: skip
    kinds = Counter(place if place not in layers else "in hardware"
                    for place in found["places"].values())  # fmt: skip
    terminal.result(
        found,
        "\n".join([
            f"{printable(found['name'])}: {found['macs']} multiply-accumulates per frame, all in "
            "hardware",
            f"  of its {len(found['places'])} nodes: "
            + "; ".join(f"{count} {place}" for place, count in kinds.most_common()),
            *[f"  {place}: {', '.join(printable(n) for n, p in found['places'].items() if p == place)}"
              for place in kinds if place.startswith("host")],
            *ports,
            f"  serial folding {found['interval']['serial']} cycles/frame, about "
            f"{found['lut']['serial']} LUT; parallel {found['interval']['parallel']} cycles/frame, "
            f"about {found['lut']['parallel']} LUT",
        ]),
        (("layer", "op", "input", "output", "W", "A", "MACs"), rows),
    )  # fmt: skip
