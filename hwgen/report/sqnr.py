"""How much each layer loses by quantization: a page and a plot of what quantizing reports.

Both take :meth:`hwgen.quantize.Report.as_dict`, and draw with nothing but text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hwgen.report.markdown import cell

# What is drawn of each layer: its key, what it says, its mark.
MARKS = (
    ("sqnr_weight", "weights", '<rect x="{x:.1f}" y="{top:.1f}" width="8" height="8" {at}/>'),
    ("sqnr_input", "input", '<circle cx="{mid:.1f}" cy="{y:.1f}" r="4" {at}/>'),
    ("sqnr_alone", "output, this layer alone", '<circle cx="{mid:.1f}" cy="{y:.1f}" r="5" {at}/>'),
    ("sqnr", "output, whole model", '<path d="M{mid:.1f} {high:.1f}l5 5-5 5-5-5z" {at}/>'),
)  # fmt: skip
STYLES = ('fill="none" stroke="#777"', 'fill="none" stroke="#27c"', 'fill="#d33"', 'fill="#333"')
LEFT, WIDE, ROW, HEAD = 260, 560, 22, 66


def page(content: Mapping[str, Any], image: str = "sqnr.svg") -> str:
    """The report as Markdown: what was chosen, the worst layers, all layers, and the plot."""
    same = content["agreement"]
    alike = "" if same is None else f"; {same:.1%} of the calibration frames are decided alike"
    layers = {layer["name"]: layer for layer in content["layers"]}
    lines = [
        f"# {cell(content['model'])}: quantization", "",
        f"- method: {cell(content['method'])}",
        f"- at the output {_db(content['sqnr'])} dB{alike}",
        f"- weights: {content['weight_bytes']} bytes, {content['float_bytes']} in float",
        *(f"- {cell(line, 2000)}" for line in content["choices"]), "",
        "Layers that lose most on their own; give them more bits with `--widths`:", "",
        *(f"{rank}. {cell(name)}: {_db(layers[name]['sqnr_alone'])} dB at its output, "
          f"{_db(layers[name]['sqnr_weight'])} dB of its weights, "
          f"{_db(layers[name]['sqnr_input'])} dB of its input"
          for rank, name in enumerate(content["worst"], 1)), "",
        f"![signal-to-quantization-noise ratio of each layer]({image})", "",
        "| layer | op | W | A | " + " | ".join(f"{says}, dB" for _, says, _ in MARKS) + " |",
        "|---|---|---|---|" + "---|" * len(MARKS),
    ]  # fmt: skip
    for name, layer in layers.items():
        ratios = " | ".join(_db(layer[key]) for key, *_ in MARKS)
        lines.append(f"| {cell(name)} | {cell(layer['op'])} | {layer['wbits']} | {layer['abits']} "
                     f"| {ratios} |")  # fmt: skip
    return "\n".join([*lines, ""])


def plot(content: Mapping[str, Any]) -> str:
    """An SVG with a row for each layer, first one on top; the worst are red and carry their rank."""
    layers, worst = content["layers"], list(content["worst"])
    found = [layer[key] for layer in layers for key, *_ in MARKS if math.isfinite(layer[key])]
    top = 10 * math.ceil(max([10.0, *found]) / 10)
    low = 10 * math.floor(min([0.0, *found]) / 10)
    height = HEAD + ROW * len(layers) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDE + 40}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><text x="8" y="18">'
        f"{cell(content['model'])}: SQNR of each layer, dB</text>",
    ]
    for k, ((_, says, _), where) in enumerate(zip(MARKS, (8, 90, 160, 330), strict=True)):
        parts += [
            _mark(k, LEFT - 250 + where, 34),
            f'<text x="{LEFT - 240 + where}" y="38">{says}</text>',
        ]
    for decibel in range(low, top + 1, 10):
        x = _place(decibel, low, top)
        parts.append(f'<path d="M{x:.1f} {HEAD - 6}V{height - 12}" stroke="#ddd"/>'
                     f'<text x="{x:.1f}" y="{HEAD - 10}" text-anchor="middle">{decibel}</text>')  # fmt: skip
    for row, layer in enumerate(layers):
        y, name = HEAD + ROW * row + 11, layer["name"]
        rank = worst.index(name) + 1 if name in worst else 0
        style = ' fill="#d33" font-weight="bold"' if rank else ""
        says = f"{rank}. {_short(name)}" if rank else _short(name)
        parts.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end"{style}>{says}</text>')
        parts += [_mark(k, _place(layer[key], low, top), y)
                  for k, (key, *_) in enumerate(MARKS) if not math.isnan(layer[key])]  # fmt: skip
    return "\n".join([*parts, "</svg>", ""])


def _place(decibel: float, low: int, top: int) -> float:
    return LEFT + WIDE * (min(max(decibel, low), top) - low) / (top - low)


def _mark(kind: int, x: float, y: float) -> str:
    shape, style = MARKS[kind][2], STYLES[kind]
    return shape.format(x=x - 4, top=y - 4, mid=x, y=y, high=y - 5, at=style)


def _short(name: str) -> str:
    text = cell(name)
    return text if len(text) <= 36 else f"{text[:17]}...{text[-16:]}"


def _db(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1f}"
