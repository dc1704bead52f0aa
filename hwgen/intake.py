"""The only way in for a model file: a child process reads it, this one gets finished integers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.budget import estimator
from hwgen.core.errors import HwgenError, printable
from hwgen.core.limits import DEFAULT, Limits
from hwgen.frames import load_inputs, read_frames
from hwgen.frontends import Source, run_source, sandbox, source_of_bytes
from hwgen.frontends.compare import affordable, compare, example_frames
from hwgen.frontends.external import embed
from hwgen.frontends.file import ModelFile, read_file
from hwgen.frontends.importer import trace
from hwgen.ir import Graph
from hwgen.ir.serialize import load, save
from hwgen.passes import run_passes
from hwgen.prepare import prepare
from hwgen.quantize import Report, post_training
from hwgen.quantize.statistics import Progress, silent

_MODEL = "model.onnx"
_STEPS = "steps.txt"
_LONGER = 60  # quantizing runs the model on many frames: it may take so many times ``seconds``


def open_model(path: str | Path, limits: Limits = DEFAULT,
               external_data: str | Path | None = None) -> ModelFile:  # fmt: skip
    """The bytes of a model.

    With ``external_data``, the only folder whose files may hold some of its tensors, these are
    embedded: what comes back needs no other file. Raises HwgenError: HW101, HW106; with
    ``external_data`` HW102 and HW103 too.
    """
    model = read_file(path, limits)
    if external_data is None:
        return model
    with _folder(model) as folder:
        sandbox.run(_embed, folder, model.name, str(external_data), limits=limits, where=model.path)
        data = (folder / _MODEL).read_bytes()
    return ModelFile(model.name, model.path, data)


@dataclass(frozen=True, eq=False)
class Imported:
    """The integer graph of a model after all passes, and the model as it was lifted.

    ``places`` says of each node of the model where its work is done. ``quantization`` is
    :meth:`hwgen.quantize.Report.as_dict` where a report was asked for and the model quantized.
    """

    graph: Graph
    model: ModelFile
    places: Mapping[str, str]
    quantization: Mapping[str, Any] | None = None


def import_model(model: ModelFile, limits: Limits = DEFAULT, progress: Progress = silent,
                 **options: Any) -> Imported:  # fmt: skip
    """Read, prepare and lift a model, and run all passes.

    ``options`` are those of :func:`hwgen.prepare.prepare`; what it does to the model is in
    ``Imported.model``. A model that is quantized may take 60 times as long as ``limits`` say.
    Raises what reading, preparing and lifting raise, HW106 included.
    """
    if options.get("calib"):
        limits = replace(limits, seconds=_LONGER * limits.seconds)
    given = {k: str(v) if isinstance(v, Path) else v for k, v in options.items() if v is not None}
    with _folder(model) as folder:
        places, quantization = sandbox.run(_import, folder, model.name, model.path, given, limits=limits,
                             where=model.path, tick=_relay(folder, progress))  # fmt: skip
        data = (folder / _MODEL).read_bytes()
        made = ModelFile(model.name, model.path, data)
        return Imported(load(folder / "graph"), made, places, quantization)


def quantize_model(model: ModelFile, calib: Path, limits: Limits = DEFAULT,
                   progress: Progress = silent, **options: Any) -> tuple[ModelFile, Report]:  # fmt: skip
    """The float ``model`` quantized by the frames in ``calib``, and what that did.

    ``options`` are the arguments of :func:`hwgen.quantize.post_training`, which JSON can hold.
    Raises what reading the files and quantizing raise.
    """
    limits = replace(limits, seconds=_LONGER * limits.seconds)
    with _folder(model) as folder:
        report = sandbox.run(_quantize, folder, model.name, model.path, str(calib), options,
                             limits=limits, where=model.path,
                             tick=_relay(folder, progress))  # fmt: skip
        data = (folder / _MODEL).read_bytes()
    return ModelFile(model.name, model.path, data), Report.of(report)


def _relay(folder: Path, progress: Progress) -> Callable[[], None]:
    """A function that hands on the lines that a child has written since its last call."""
    path, at = folder / _STEPS, 0

    def tick() -> None:
        nonlocal at
        if path.is_file():
            with path.open("rb") as file:
                file.seek(at)
                lines = file.read().splitlines(keepends=True)
            for line in lines:
                if line.endswith(b"\n"):
                    at += len(line)
                    progress(printable(line.decode("utf-8").rstrip()))

    return tick


def run_model(
    model: ModelFile, inputs: Mapping[str, np.ndarray], limits: Limits = DEFAULT
) -> dict[str, np.ndarray]:
    """The model's outputs in its own arithmetic; see :func:`hwgen.frontends.oracle.run_source`."""
    with _folder(model) as folder:
        np.savez(folder / "inputs.npz", *inputs.values())
        names = sandbox.run(_run, folder, model.name, model.path, list(inputs), limits=limits,
                            where=model.path)  # fmt: skip
        return dict(zip(names, _arrays(folder / "outputs.npz"), strict=True))


def compare_model(
    model: ModelFile, frames: int, file: Path | None = None, limits: Limits = DEFAULT
) -> dict[str, Any]:
    """The integer graph of a model beside its own runtime; see :mod:`hwgen.frontends.compare`.

    On at most ``frames`` frames of ``file``, or random ones. Where there is no comparison, because
    there is no runtime or it takes too long, ``why`` says so, alone.
    """
    try:
        with _folder(model) as folder:
            return sandbox.run(_compare, folder, model.name, model.path, frames,
                               str(file) if file else None, limits=limits, where=model.path)  # fmt: skip
    except HwgenError as error:
        return {"why": "; ".join(problem.why for problem in error.problems)}
    except sandbox.ChildFaultError as error:  # the build is sound without it
        return {
            "why": f"the comparison itself failed, please report: {str(error).splitlines()[-1]}"
        }


@contextmanager
def _folder(model: ModelFile) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hwgen-") as name:
        (Path(name) / _MODEL).write_bytes(model.data)
        yield Path(name)


def _arrays(path: Path) -> list[np.ndarray]:
    """What ``np.savez`` wrote without names, in order."""
    with np.load(path, allow_pickle=False) as archive:
        return [archive[f"arr_{i}"] for i in range(len(archive.files))]


# In the child


def _embed(folder: Path, limits: Limits, name: str, data_folder: str) -> None:
    data = embed((folder / _MODEL).read_bytes(), Path(data_folder), name, limits)
    (folder / _MODEL).write_bytes(data)


def _import(
    folder: Path, limits: Limits, name: str, path: str, options: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any] | None]:
    source = _source(folder, limits, name, path)
    if options.get("calib"):
        options["calib"] = Path(options["calib"])
    prepared, report = prepare(source, progress=_steps(folder), **options)
    lifting = trace(prepared)
    save(run_passes(lifting.graph), folder / "graph", compressed=False)
    if prepared is not source:
        (folder / _MODEL).write_bytes(prepared.model.SerializeToString(deterministic=True))
    return lifting.places, None if report is None else _plain(report)


def _compare(
    folder: Path, limits: Limits, name: str, path: str, count: int, file: str | None
) -> dict[str, Any]:
    source = _source(folder, limits, name, path)
    lifting = trace(source)
    count, ports = affordable(lifting.graph, count), lifting.graph.inputs
    frames = example_frames(lifting.graph, count)
    if file is not None:
        frames = {name: x[:count] for name, x in load_inputs(Path(file), ports).items()}
    return compare(source, lifting, run_passes(lifting.graph), frames).plain()


def _quantize(folder: Path, limits: Limits, name: str, path: str, calib: str,
              options: dict[str, Any]) -> dict[str, Any]:  # fmt: skip
    source = _source(folder, limits, name, path)
    frames = read_frames(Path(calib), source.inputs)
    made, report = post_training(source, calibration=frames, progress=_steps(folder),
                                 estimate=estimator(), **options)  # fmt: skip
    (folder / _MODEL).write_bytes(made.model.SerializeToString(deterministic=True))
    return _plain(report)


def _plain(report: Report) -> dict[str, Any]:
    return json.loads(json.dumps(report.as_dict(), default=float))


def _steps(folder: Path) -> Progress:
    """Writes each line to where :func:`_relay` reads it."""

    def step(line: str) -> None:
        with (folder / _STEPS).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    return step


def _run(folder: Path, limits: Limits, name: str, path: str, inputs: list[str]) -> list[str]:
    frames = dict(zip(inputs, _arrays(folder / "inputs.npz"), strict=True))
    outputs = run_source(_source(folder, limits, name, path), frames)
    np.savez(folder / "outputs.npz", *outputs.values())
    return list(outputs)


def _source(folder: Path, limits: Limits, name: str, path: str) -> Source:
    return source_of_bytes((folder / _MODEL).read_bytes(), name=name, path=path, limits=limits)
