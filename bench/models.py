"""Every published model at hand, from its file to simulated Verilog.

HWGEN_DATA=... python bench/models.py [--only NAME ...] [--render]

Each model is built, compared with its own runtime (quantizer by quantizer), simulated, and, where
there is data with labels, scored; or it is refused, with the reasons. Rows collect in
bench/results/models.json and docs/models.md is rendered from them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.ptq import cifar, keywords, mnist, normalized
from hwgen import api
from hwgen.core.errors import HwgenError
from hwgen.frontends import read_model, widths

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "models.json"
PAGE = ROOT / "docs" / "models.md"
IMAGES = 2000

Labelled = tuple[np.ndarray, np.ndarray]  # frames as the model takes them, labels


def unit_digits(data: Path) -> Labelled:
    _, images, labels = mnist(data)
    return (images[:IMAGES] / np.float32(255)).astype(np.float32), labels[:IMAGES]


def digits(data: Path) -> Labelled:
    _, images, labels = mnist(data)
    return images[:IMAGES].astype(np.float32), labels[:IMAGES]


def pictures(data: Path) -> Labelled:
    _, images, labels = normalized(data)
    return images[:IMAGES].astype(np.float32), labels[:IMAGES]


def plain_pictures(data: Path) -> Labelled:
    _, images, labels = cifar(data)
    return images[:IMAGES].astype(np.float32), labels[:IMAGES]


def words(data: Path) -> Labelled:
    _, x, labels = keywords(data)
    return x.astype(np.float32), labels


def word_codes(data: Path) -> Labelled:
    with np.load(data / "kws01_mfcc_int8_0-499.npz") as file:
        return file["x"].reshape(-1, 49, 10, 1).astype(np.int8), file["y"]


SCORED: dict[str, Callable[[Path], Labelled]] = {
    "qonnx_TFC_1W1A": unit_digits, "qonnx_TFC_2W2A": unit_digits,
    "finn_multithreshold_tfc_mnist": digits, "onnxzoo_mnist_conv_float_opset8": digits,
    "cifar10_resnet20_qdq_s8s8_perchannel": pictures, "cifar10_resnet20_float": pictures,
    "cifar10_resnet20_qoperator_u8s8_perchannel": pictures,
    "mlperf_tiny_resnet8_float": plain_pictures,
    "mlperf_tiny_kws_dscnn_int8.qdq": word_codes, "mlperf_tiny_kws_dscnn_float": words,
}  # fmt: skip
CALIBRATION: dict[str, Callable[[Path], np.ndarray]] = {
    "onnxzoo_mnist_conv_float_opset8": lambda data: mnist(data)[0],
    "cifar10_resnet20_float": lambda data: normalized(data)[0],
    "mlperf_tiny_resnet8_float": lambda data: cifar(data)[0],
    "mlperf_tiny_kws_dscnn_float": lambda data: keywords(data)[0],
    "hls4ml_three_layer_keras_float": lambda _: np.random.default_rng(0).normal(0, 1, (256, 16)),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "qonnx_espcn_subpixel_quant": {"input_format": "UQ0.8", "interval": 1 << 20},
    "qonnx_qkeras_jettagging": {"input_format": "Q5.10"},
    **{name: {"wbits": 8, "abits": 8} for name in CALIBRATION},
}
LARGE = {"qonnx_espcn_subpixel_quant", "cifar10_resnet20_float", "mlperf_tiny_resnet8_float",
         "cifar10_resnet20_qdq_s8s8_perchannel", "cifar10_resnet20_qoperator_u8s8_perchannel"}  # fmt: skip


def dialect(path: Path) -> str:
    ops = {node.op_type for node in read_model(path).nodes}
    if ops & {"Quant", "IntQuant", "BipolarQuant", "Trunc"}:
        return "QONNX"
    if "MultiThreshold" in ops:
        return "FINN"
    if ops & {"QLinearConv", "QLinearMatMul", "QGemm"}:
        return "QOperator"
    return "QDQ" if "QuantizeLinear" in ops else "float, PTQ"


def measure(path: Path, data: Path, folder: Path) -> dict[str, Any]:
    """One row."""
    name = path.name.removesuffix(".onnx")
    options: dict[str, Any] = dict(OPTIONS.get(name, {}))
    row: dict[str, Any] = {"model": name, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    if name in CALIBRATION:
        options["calib"] = folder / f"{name}.npy"
        np.save(options["calib"], CALIBRATION[name](data).astype(np.float32))
    frames = 3 if name in LARGE else 20
    start = time.perf_counter()
    try:
        row["dialect"] = dialect(path)
        built = api.build(path, folder / name, frames=frames, compare=8, **options)
    except HwgenError as error:
        reasons = [f"{p.code} {p.where.split(': ', 1)[-1]}: {p.why}" for p in error.problems]
        return row | {"refused": reasons, "exit": error.exit_code}
    row |= {"build_s": round(time.perf_counter() - start, 1), "options": str(OPTIONS.get(name, ""))}
    graph = built.graph
    found = widths(graph)
    row |= {
        "layers": len(found), "stages": len(graph.nodes), "macs": graph.macs(),
        "bits": ", ".join(sorted({f"W{w}A{a}" for _, w, a in found})),
        "interval": built.manifest["interval"], "source": built.comparison,
    }  # fmt: skip
    start = time.perf_counter()
    result = api.simulate(built.folder)
    row |= {"sim_s": round(time.perf_counter() - start, 1), "frames": result["frames"],
            "mismatches": result["mismatches"], "measured": result["interval"]}  # fmt: skip
    if name in SCORED:
        x, labels = SCORED[name](data)
        row["images"] = len(x)
        for engine, model in (("reference", built.folder), ("onnx", path)):
            given = {} if engine == "reference" else {"engine": "onnx"}
            y = api.run(model, x, **given) if engine == "reference" else source_run(path, x)
            answers = np.asarray(y).reshape(len(x), -1)
            answers = answers[:, 0] if answers.shape[1] == 1 else answers.argmax(axis=1)
            row[f"accuracy_{engine}"] = float((answers == labels).mean())
    return row


def source_run(path: Path, x: np.ndarray) -> np.ndarray:
    """What the file itself gives, float models unquantized."""
    from hwgen.frontends import run_source

    source = read_model(path)
    batches = [x[at : at + 250] for at in range(0, len(x), 250)]
    (name,) = source.outputs
    return np.concatenate([run_source(source, {source.inputs[0]: b})[name] for b in batches])


def saved() -> dict[str, dict[str, Any]]:
    rows = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    return {row["model"]: row for row in rows}


def save(row: dict[str, Any]) -> None:
    rows = saved() | {row["model"]: row}
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    content = {"machine": machine, "rows": [rows[name] for name in sorted(rows)]}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


HEAD = ("model", "dialect", "layers", "bits", "frames", "mismatches", "interval predicted / measured",
        "integers compared", "differ", "ties", "faults", "accuracy: hardware / file", "build s", "sim s")  # fmt: skip


def cells(row: dict[str, Any]) -> list[str]:
    s = row["source"]
    compared = ["", "", "", ""] if "why" in s else [
        f"{s['integers']}", f"{s['differ']}", f"{s['ties']}", f"{s['faults']}"]  # fmt: skip
    score = ""
    if "images" in row:
        score = f"{row['accuracy_reference']:.2%} / {row['accuracy_onnx']:.2%} of {row['images']}"
    return [row["model"], row["dialect"], str(row["layers"]), row["bits"], str(row["frames"]),
            str(row["mismatches"]), f"{row['interval']} / {row['measured']}", *compared, score,
            f"{row['build_s']}", f"{row['sim_s']}"]  # fmt: skip


def render() -> None:
    content = json.loads(RESULTS.read_text("utf-8"))
    rows = content["rows"]
    built, refused = ([r for r in rows if ("refused" in r) == no] for no in (False, True))
    dates = sorted({r["date"] for r in rows})
    lines = [
        "# Published models", "",
        "Models that nobody here wrote, each from its file to simulated Verilog "
        f"(`HWGEN_DATA=... python bench/models.py`, {dates[-1]}, {content['machine']}).", "",
        "* frames: simulated in Verilator, back to back and again under random stalls, and two after "
        "a reset; every output integer is compared with the reference.",
        "* integers compared: at every quantizer, with those of the file in its own runtime "
        "(onnxruntime; QONNX operators by their definition). A tie is a difference that float32 "
        "noise explains ([how](architecture.md)); a fault is any other.",
        "* accuracy: of the integers (the hardware's) and of the file in its own runtime, on the "
        "same images; for float files after 8-bit post-training quantization here. The CIFAR images "
        "are JPEG copies, on which published models lose about ten points.", "",
        "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD),
        *("| " + " | ".join(cells(row)) + " |" for row in built), "",
        "Options given: " + "; ".join(f"{r['model']} {r['options']}" for r in built if r["options"])
        + ".", "", "## Refused", "",
    ]  # fmt: skip
    for row in refused:
        lines += [f"**{row['model']}** (exit {row['exit']}):", ""]
        lines += [f"* {reason}" for reason in row["refused"]] + [""]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args()
    data = Path(os.environ["HWGEN_DATA"])
    files = sorted((data / "models").glob("*.onnx")) + sorted(
        (data / "models_small_qdq").glob("*.onnx")
    )
    with tempfile.TemporaryDirectory(prefix="hwgen-models-") as folder:
        for path in [] if options.render else files:
            if options.only and not any(word in path.name for word in options.only):
                continue
            row = measure(path, data / "data", Path(folder))
            save(row)
            print({k: v for k, v in row.items() if k != "source"}, flush=True)
    render()


if __name__ == "__main__":
    main()
