"""The commands as functions: what the command line prints, these return."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.config import BuildConfig
from hwgen.core.errors import Diagnostics, fail
from hwgen.core.limits import DEFAULT, Limits
from hwgen.core.names import file_name
from hwgen.flow import Build, Progress, load_build, silent
from hwgen.flow import build as _build
from hwgen.frames import fit_frames, load_inputs, same_length
from hwgen.frontends import widths
from hwgen.intake import import_model, open_model, run_model
from hwgen.ir import Graph
from hwgen.ir.execute import run_frames
from hwgen.schedule import schedule
from hwgen.verify.run import run_rtl
from hwgen.verify.run import simulate as _simulate

Frames = np.ndarray | Mapping[str, np.ndarray]
ENGINES = ("reference", "rtl", "onnx")


def build(model: str | Path, out: str | Path | None = None, *,
          progress: Progress = silent, **options: Any) -> Build:  # fmt: skip
    """Build ``model`` into ``out`` (by default ``build/<name>``, made harmless).

    ``options`` are the fields of :class:`hwgen.config.BuildConfig`. Raises HwgenError.
    """
    path = Path(model)
    folder = Path(out) if out is not None else Path("build", file_name(path.stem))
    return _build(BuildConfig(path, folder, **options), progress)


def load(folder: str | Path) -> Build:
    """A build made earlier."""
    return load_build(folder)


def simulate(folder: str | Path, **options: Any) -> dict[str, Any]:
    """Simulate a build against its vectors; see :func:`hwgen.verify.run.simulate`.

    Raises HwgenError: HW110 for a bad option, HW113 where there is no build, and what that does.
    """
    problems = Diagnostics()
    for option, fits, rule in (
        ("frames", options.get("frames") is None or options["frames"] >= 1, "at least 1"),
        ("stall", 0 <= options.get("stall", 0) <= 0.95, "0 to 0.95"),
        ("seed", options.get("seed", 0) >= 0, "0 or more"),
    ):
        if not fits:
            problems.add("HW110", where=f"--{option}", why=f"must be {rule}, not {options[option]}",
                         help="`hwgen sim --help` lists the options")  # fmt: skip
    problems.raise_if_any()
    load_build(folder)
    return _simulate(Path(folder), **options)


def synthesize(
    folder: str | Path, tool: str = "yosys-xc7", *, check: bool = False, frames: int | None = None
) -> Any:
    """Run yosys on a build and return what it counts; see :func:`hwgen.synth.yosys.synthesize`.

    ``check``: the netlist is then simulated as :func:`simulate` does with the design, and the
    result is in the report's ``check``. ``frames``: how many, all that are stored by default.
    Raises HwgenError.
    """
    from hwgen.synth.netlist import write_models
    from hwgen.synth.yosys import synthesize as run_yosys

    if frames is not None and (frames < 1 or not check):
        fail("HW110", where="--frames", why="needs --check, and at least one frame",
             help="`hwgen synth --help` lists the options")  # fmt: skip
    load_build(folder)
    report = run_yosys(Path(folder), tool)
    if not check:
        return report
    netlist = Path(folder, "synth", tool)
    cells = write_models(netlist, tool, report.total.cells)
    report = replace(
        report, check=_simulate(Path(folder), frames=frames, netlist=netlist, cells=cells)
    )
    (netlist / "report.json").write_text(report.text(), "utf-8")
    return report


def inspect(model: str | Path, *, limits: Limits = DEFAULT,
            external_data: str | Path | None = None, **options: Any) -> dict[str, Any]:  # fmt: skip
    """What ``model`` consists of: layers, widths, work, and what became of each of its nodes.

    ``options`` are those of :func:`hwgen.prepare.prepare`. Raises HwgenError with all that is not
    supported.
    """
    imported = import_model(open_model(model, limits, external_data), limits, **options)
    graph = imported.graph
    bits = {node.name: (w, a) for node, w, a in widths(graph)}
    fastest = schedule(graph, folding="parallel")
    smallest = schedule(graph, folding="serial")
    return {
        "name": graph.name,
        "inputs": [_port(graph, port) for port in graph.inputs],
        "outputs": [_port(graph, port) for port in graph.outputs],
        "macs": graph.macs(), "places": dict(imported.places),
        "layers": [
            {
                "name": node.name, "op": type(node.op).__name__, "origin": list(node.origin),
                "input": str(graph.type(node.inputs[0])), "output": str(graph.type(node.output)),
                "wbits": bits.get(node.name, (None, None))[0],
                "abits": bits.get(node.name, (None, None))[1],
                "macs": node.op.macs(*graph.input_types(node)),
            }
            for node in graph.nodes
        ],
        "interval": {"serial": smallest.interval, "parallel": fastest.interval},
        "lut": {"serial": smallest.total().lut, "parallel": fastest.total().lut},
    }  # fmt: skip


def _port(graph: Graph, port: Any) -> dict[str, Any]:
    return {
        "name": port.name, "shape": list(port.index.shape), "dtype": port.dtype,
        "integers": str(graph.type(port.value)), "host": str(port.chain),
    }  # fmt: skip


def run(target: str | Path, frames: Frames | Path, *, engine: str = "reference",
        raw: bool = False, limits: Limits = DEFAULT,
        external_data: str | Path | None = None, **options: Any) -> Frames:  # fmt: skip
    """What ``target``, a model file or a build folder, makes of ``frames`` (N, ...).

    A model of several inputs takes arrays by their names, one of several outputs returns them so.
    A path names a file of frames, as :func:`hwgen.frames.read_frames` takes it.

    ``reference``: the integer graph in NumPy. ``rtl``: the Verilog in a simulator. ``onnx``: the
    source model itself. ``raw`` returns the hardware's integers, which the source model does not
    have. ``options``, for a model file, are those of :func:`hwgen.prepare.prepare`. Raises
    HwgenError.
    """
    if engine not in ENGINES:
        fail("HW110", where="--engine", why=f"must be {', '.join(ENGINES)}, not {engine}",
             help="`hwgen run --help` lists the options")  # fmt: skip
    if engine == "onnx" and raw:
        fail("HW110", where="--raw", why="the source model has no integers",
             help="use --engine reference or rtl")  # fmt: skip
    path = Path(target)
    if os.path.isdir(path):
        made = load_build(path)
        graph, model = made.graph, open_model(made.model, limits)
    else:
        made = None
        imported = import_model(open_model(path, limits, external_data), limits, **options)
        graph, model = imported.graph, imported.model
    given = _given(graph, frames)
    if engine == "reference":
        return _alone(run_frames(graph, given, raw=raw))
    if engine == "onnx":
        return _alone(run_model(model, given, limits))
    if made is None:
        with tempfile.TemporaryDirectory(prefix="hwgen-") as folder:
            made = build(path, Path(folder, "run"), frames=1, limits=limits,
                         external_data=external_data, **options)  # fmt: skip
            return _alone(_rtl(made, graph, given, raw))
    return _alone(_rtl(made, graph, given, raw))


def _given(graph: Graph, frames: Frames | Path) -> dict[str, np.ndarray]:
    """Frames by input name, in the types of the inputs. Raises HW112 where they do not fit."""
    ports = graph.inputs
    if isinstance(frames, Path):
        return load_inputs(frames, ports)
    if not isinstance(frames, Mapping):
        if len(ports) > 1:
            fail("HW112", where="input", why=f"the model has {len(ports)} inputs",
                 help=f"give arrays named {', '.join(p.name for p in ports)}")  # fmt: skip
        return {port.name: fit_frames(np.asarray(frames), port) for port in ports}
    missing = [port.name for port in ports if port.name not in frames]
    if missing:
        fail("HW112", where="input", why=f"there is no array for {', '.join(missing)}",
             help=f"give arrays named {', '.join(p.name for p in ports)}")  # fmt: skip
    given = {p.name: fit_frames(np.asarray(frames[p.name]), p, p.name) for p in ports}
    same_length(given, "input")
    return given


def _alone(outputs: dict[str, np.ndarray]) -> Frames:
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _rtl(
    made: Build, graph: Graph, frames: Mapping[str, np.ndarray], raw: bool
) -> dict[str, np.ndarray]:
    integers = {p.value: p.to_edge(frames[p.name], graph.type(p.value)) for p in graph.inputs}
    found = run_rtl(made.folder, integers)
    count = len(next(iter(frames.values())))
    shaped = {
        p.value: found[p.value].astype(np.int64).reshape(count, *graph.type(p.value).shape)
        for p in graph.outputs
    }
    return {p.name: p.from_edge(shaped[p.value], raw=raw) for p in graph.outputs}
