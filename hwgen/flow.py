"""The table of contents: from a model file to a build folder, step by step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import hwgen
from hwgen.config import BuildConfig
from hwgen.core.errors import Diagnostics, HwgenError, fail
from hwgen.core.names import identifier
from hwgen.core.output import output_folder
from hwgen.core.resources import resource
from hwgen.emit.core import DataflowCore
from hwgen.emit.manifest import EdgeInfo, Manifest, PortInfo, StageInfo, read_manifest
from hwgen.emit.templates import sim_files
from hwgen.emit.verilog import emit
from hwgen.frames import load_inputs
from hwgen.frontends import widths
from hwgen.frontends.file import ModelFile
from hwgen.hw.axi_stream import AxiStreamTop
from hwgen.intake import Imported, compare_model, import_model, open_model
from hwgen.ir import Graph
from hwgen.ir.print import text
from hwgen.ir.serialize import load, save
from hwgen.report import sqnr
from hwgen.report.evidence import tables
from hwgen.report.markdown import host_table, report
from hwgen.schedule import Design, schedule
from hwgen.synth.handoff import write_handoff
from hwgen.verify.vectors import write_vectors

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Build:
    """A build folder. ``reused``: it was there already, made from the same model in the same way.

    ``design`` is None for a build that was reused or loaded.
    """

    folder: Path
    manifest: Mapping[str, Any]
    design: Design | None = None
    reused: bool = False

    @property
    def graph(self) -> Graph:
        return load(self.folder / "graph")

    @property
    def comparison(self) -> dict[str, Any]:
        """How its integers compare with the source model's; see :mod:`hwgen.report.evidence`."""
        return json.loads((self.folder / "reports" / "source.json").read_text("utf-8"))

    @property
    def model(self) -> Path:
        """The model that it was built from."""
        return self.folder / "model" / "model.onnx"


def load_build(folder: str | Path) -> Build:
    """The build in ``folder``. Raises HW113 where there is none, or a part of it is missing."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    try:
        Manifest(**{field.name: manifest[field.name] for field in fields(Manifest)})
        for port in (*manifest["inputs"], *manifest["outputs"]):
            PortInfo(**port)
        for stage in manifest["stages"]:
            StageInfo(**stage)
            EdgeInfo(**stage["output"])
    except (KeyError, TypeError) as error:
        fail("HW113", where=str(folder / "manifest.json"), why=f"it is damaged: {error}",
             help="build the model again")  # fmt: skip
    needed = (f"rtl/{manifest['top']}.v", "sim/run.py", "sim/vectors.npz", "graph/graph.json",
              "graph/arrays.npz", "model/model.onnx")  # fmt: skip
    for path in needed:
        if not (folder / path).is_file():
            fail("HW113", where=str(folder / path), why="the file is missing",
                 help="build the model again")  # fmt: skip
    return Build(folder, manifest)


def silent(step: str) -> None:
    """Says nothing about ``step``."""


def build(config: BuildConfig, progress: Progress = silent) -> Build:
    """Build what ``config`` asks for; nothing is left behind where a step fails.

    Raises HwgenError with the problems of the step that failed.
    """
    progress("reading the model")
    model = open_model(config.model, config.limits, config.external_data)
    key = _key(model, config)
    if (found := _present(config.out, key)) is not None:
        return found

    hardware = {"interval": config.cycles, "folding": config.folding,
                "clock_mhz": config.clock_mhz, "dsp": config.dsp, "dsps": config.dsps}  # fmt: skip
    progress("lifting to integers")
    imported = import_model(model, config.limits, progress, wbits=config.wbits, abits=config.abits,
                            calib=config.calib, ptq=dict(config.ptq) or None,
                            hardware=hardware, report=True,
                            input_format=config.input_format, output=config.output)  # fmt: skip
    graph = imported.graph
    if config.calib is None:  # else the options have just made the widths
        check_widths(graph, config)
    frames = _frames(graph, config)

    progress("comparing with the source model")
    evidence = {"why": "--compare 0"}
    if config.compare:
        evidence = compare_model(imported.model, config.compare, config.calib or config.frames_file,
                                 config.limits)  # fmt: skip

    progress("scheduling")
    design = schedule(graph, **hardware)

    with output_folder(config.out) as folder:
        progress("writing Verilog")
        manifest = _write_hardware(folder, design, key)
        progress("computing expected integers")
        write_vectors(folder, graph, frames, config.frames, config.seed)
        progress("writing handoff and report")
        write_handoff(folder, manifest)
        save(graph, folder / "graph")
        _write_texts(folder, design, imported, evidence)
    return Build(config.out, read_manifest(config.out), design)


def check_widths(graph: Graph, config: BuildConfig) -> None:
    """Raise HW205 for every layer that is wider or narrower than ``wbits`` and ``abits`` say.

    The first layer's input and the last layer's output may be wider, as is usual.
    """
    problems, found = Diagnostics(), widths(graph)
    inner = found[1:] or found
    for place, (node, wbits, abits) in enumerate(found):
        where = f"node `{' + '.join(node.origin) or node.name}`"
        if config.wbits is not None and wbits > config.wbits:
            problems.add("HW205", where=where,
                         why=f"its weights have {wbits} bits, --wbits says {config.wbits}",
                         help=f"build with --wbits {wbits}, or quantize anew")  # fmt: skip
        if config.abits is not None and abits > config.abits and place:
            problems.add("HW205", where=where,
                         why=f"its inputs have {abits} bits, --abits says {config.abits}",
                         help=f"build with --abits {abits}, or quantize anew")  # fmt: skip
    for option, asked, widest in (
        ("--wbits", config.wbits, max((w for _, w, _ in found), default=0)),
        ("--abits", config.abits, max((a for _, _, a in inner), default=0)),
    ):
        if asked is not None and found and widest < asked:
            problems.add("HW205", where=option, why=f"the widest layer has {widest} bits, not "
                         f"{asked}", help=f"build with {option} {widest}")  # fmt: skip
    problems.raise_if_any()


def _write_hardware(folder: Path, design: Design, key: str) -> dict[str, Any]:
    """Verilog, memories, testbench and manifest."""
    core = DataflowCore(design)
    inputs, outputs = core.boundary()
    top = identifier(design.graph.name)
    about = {s.node.name: f"{type(s.node.op).__name__} {s.folding}" for s in design.stages}
    emission = emit(AxiStreamTop(core, inputs, outputs), top, about=about)
    emission.write(folder)
    for path, content in sim_files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content, "utf-8")
    graph = design.graph

    def ports(side: str, ends: Any, streams: Any) -> tuple[PortInfo, ...]:
        return tuple(
            PortInfo.at(end, stream.prefix(side, len(streams) > 1), graph.type(end.value),
                        stream.lanes)
            for end, stream in zip(ends, streams, strict=True)
        )  # fmt: skip

    manifest = Manifest(
        name=graph.name, top=top, clock_mhz=design.clock_mhz, interval=design.interval,
        latency=design.latency + AxiStreamTop.LATENCY + sum(k.depth > 0 for k in design.links),
        inputs=ports("s", graph.inputs, inputs), outputs=ports("m", graph.outputs, outputs),
        stages=tuple(
            StageInfo(
                s.node.name, type(s.node.op).__name__, s.lowering.name, s.folding.pe,
                s.folding.simd, f"core.{s.node.name}",
                EdgeInfo.of(s.node.output, graph.type(s.node.output), s.lanes[1]), s.cost,
            )
            for s in design.stages
        ),
    )  # fmt: skip
    content = {**json.loads(manifest.text()), "hwgen": hwgen.__version__, "key": key}
    (folder / "manifest.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return content


def _write_texts(
    folder: Path, design: Design, imported: Imported, evidence: Mapping[str, Any]
) -> None:
    """What a person reads, and what the next command needs."""
    (folder / "model").mkdir()
    (folder / "model" / "model.onnx").write_bytes(imported.model.data)
    (folder / "folding.json").write_text(folding_text(design), "utf-8")
    (folder / "reports").mkdir()
    (folder / "reports" / "graph.txt").write_text(text(design.graph) + "\n", "utf-8")
    (folder / "reports" / "source.json").write_text(json.dumps(evidence, indent=1) + "\n", "utf-8")
    text_of = [report(design), host_table(design.graph), tables(evidence)]
    if imported.quantization is not None:
        write_quantization(folder / "reports", imported.quantization)
        text_of.append(
            "What quantizing lost, layer by layer: [quantization.md](quantization.md).\n"
        )
    (folder / "reports" / "index.md").write_text("\n".join(text_of), "utf-8")


def write_quantization(folder: Path, content: Mapping[str, Any]) -> None:
    """``quantization.md`` and its plot ``sqnr.svg``; see :mod:`hwgen.report.sqnr`."""
    (folder / "quantization.md").write_text(sqnr.page(content), "utf-8")
    (folder / "sqnr.svg").write_text(sqnr.plot(content), "utf-8")


def folding_text(design: Design) -> str:
    """The folding file of a design: what ``--folding`` reads again."""
    entries = {
        s.node.name: {"pe": s.folding.pe, "simd": s.folding.simd, "lowering": s.lowering.name}
        for s in design.stages
    }
    return json.dumps(entries, indent=1) + "\n"


def _frames(graph: Graph, config: BuildConfig) -> dict[str, np.ndarray] | None:
    """The user's frames as integers, or None for random ones."""
    if config.frames_file is None:
        return None
    frames = load_inputs(config.frames_file, graph.inputs)
    return {
        port.value: port.to_edge(frames[port.name][: config.frames], graph.type(port.value))
        for port in graph.inputs
    }


def _key(model: ModelFile, config: BuildConfig) -> str:
    """A digest of everything that decides the bytes of a build, hwgen's own sources included."""
    digest = hashlib.sha256(model.sha256.encode())
    digest.update(json.dumps(config.fingerprint(), sort_keys=True).encode())
    digest.update(" ".join(map(_version, ("amaranth", "numpy", "pyosys"))).encode())
    files = (config.frames_file, config.folding_file, config.calib)
    given = [p for p in files if p is not None and p.is_file()]
    package = sorted(Path(__file__).parent.rglob("*.py"))
    templates = sorted(p for p in resource("rtl_templates").rglob("*") if p.is_file())
    for path in [*given, *package, *templates]:
        digest.update(path.read_bytes())
    for content in sim_files().values():
        digest.update(content.encode())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _present(out: Path, key: str) -> Build | None:
    """The build in ``out`` if it is whole and has this key."""
    try:
        found = load_build(out)
    except (HwgenError, OSError):
        return None
    if out.is_symlink():  # to be refused
        return None
    return replace(found, reused=True) if found.manifest.get("key") == key else None
