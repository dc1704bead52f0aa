"""The shipped models and their test frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen.core.errors import did_you_mean, fail
from hwgen.core.resources import resource
from hwgen.flow import Build
from hwgen.frames import load_inputs
from hwgen.ir.execute import run_frames


def shipped(name: str) -> tuple[Path, Path]:
    """A shipped model and the file of its test frames. Raises HW101 for an unknown name."""
    folder = resource("models")
    model = folder / f"{name}.onnx"
    if Path(name).name != name or not model.is_file():
        names = sorted(path.stem for path in folder.glob("*.onnx"))
        fail("HW101", where=name, why="no such shipped model",
             help=f"{did_you_mean(name, names)}the shipped ones are {', '.join(names)}")  # fmt: skip
    return model, model.with_suffix(".npz")


def accuracy(built: Build, frames: Path) -> tuple[int, int]:
    """How many of the test frames the integer reference classifies rightly, and of how many."""
    graph = built.graph
    (port,), (output,) = graph.inputs, graph.outputs
    x = load_inputs(frames, [port])[port.name]
    labels = np.load(frames, allow_pickle=False)["labels"]
    y = run_frames(graph, {port.name: x})[output.name]
    predicted = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    return int((predicted == labels).sum()), len(labels)
