"""Measures the shipped models with hwgen's integer reference and keeps their table true.

python models/measure.py            compare with models.json and README.md; exit 1 if they differ
python models/measure.py --write    write what was measured into both
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.frontends import lift, read_model
from hwgen.ir.execute import run_frames
from hwgen.ops import Conv, MatMul

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- table: written by measure.py -->", "<!-- end of table -->"

Entry = dict[str, Any]


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Test frames ``(N, ...)`` float32 as the model's input wants them, and labels ``(N,)``."""
    with np.load(HERE / f"{name}.npz") as stored:
        return stored["x"], stored["labels"]


def measure(name: str) -> Entry:
    """What the files of one model say: sizes, checksums, and frames classified correctly."""
    path = HERE / f"{name}.onnx"
    graph = lift(read_model(path))
    frames, labels = load(name)
    (logits,) = run_frames(graph, {graph.inputs[0].name: frames}).values()
    weights = [node.op.weight for node in graph.nodes if isinstance(node.op, (Conv, MatMul))]
    return {
        "params": sum(weight.size for weight in weights),
        "macs": graph.macs(),
        "bytes": path.stat().st_size,
        "sha256": {file.name: sha256(file) for file in (path, path.with_suffix(".npz"))},
        "frames": len(frames),
        "correct_integer": int((logits.argmax(axis=-1) == labels).sum()),
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def table(entries: dict[str, Entry]) -> str:
    """The table of README.md."""
    head = ("model", "network", "data", "weights / activations", "parameters", "MACs per frame",
            "file", "float accuracy", "integer accuracy")  # fmt: skip
    rows = [" | ".join(head), " | ".join("---" for _ in head)]
    for name, e in entries.items():
        accuracy = (
            f"{e[kind]}/{e['frames']} = {e[kind] / e['frames']:.1%}"
            for kind in ("correct_float", "correct_integer")
        )
        cells = (f"`{name}`", e["network"], e["data"], e["bits"], f"{e['params']:,}",
                 f"{e['macs']:,}", f"{e['bytes'] / 1000:.0f} kB", *accuracy)  # fmt: skip
        rows.append(" | ".join(cells))
    return "\n".join(f"| {row} |" for row in rows)


def main(options: list[str]) -> int:
    manifest, readme = HERE / "models.json", HERE / "README.md"
    stated: dict[str, Entry] = json.loads(manifest.read_text())
    measured = {name: entry | measure(name) for name, entry in stated.items()}
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    text = f"{before}{BEGIN}\n\n{table(measured)}\n\n{END}{after}"
    print(table(measured))
    if "--write" in options:
        manifest.write_text(json.dumps(measured, indent=2) + "\n")
        readme.write_text(text)
        return 0
    same = measured == stated and text == readme.read_text()
    print("as stated" if same else "differs from what models.json or README.md states")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
