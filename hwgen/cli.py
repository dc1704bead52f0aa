"""The command line: reads options, calls the API, prints, exits."""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import hwgen
from hwgen.core.codes import BUG, CODES, INTERRUPTED, OK, TOOL
from hwgen.core.errors import HwgenError, did_you_mean, fail, printable
from hwgen.core.limits import Limits, flag, meaning
from hwgen.ptq_options import add_options, given
from hwgen.report.evidence import summary
from hwgen.terminal import Terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal = Terminal(json="--json" in words)
    try:
        options = _parser().parse_args(words)
        return options.run(options, terminal) or OK
    except HwgenError as error:
        terminal.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        terminal.interrupted()
        return INTERRUPTED
    except Exception as error:
        if "--debug" in words:
            raise
        terminal.bug(error)
        return BUG


def _demo(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api
    from hwgen.demo import accuracy, shipped

    model, frames = shipped(options.model)
    out = Path(options.out or Path("build", f"demo_{model.stem}"))
    built = api.build(model, out, frames_file=frames, frames=options.frames,
                      progress=terminal.progress)  # fmt: skip
    terminal.progress("simulating in Verilator")
    result = api.simulate(out)
    right, total = accuracy(built, frames)
    terminal.result(
        {
            "model": str(model), "build": str(out), "reused": built.reused,
            "frames": result["frames"], "mismatches": result["mismatches"],
            "interval": result["interval"], "latency": result["latency"],
            "accuracy": right / total,
        },
        f"{result['frames'] - result['mismatches']}/{result['frames']} frames bit-exact: "
        f"the Verilog gives the integers of the reference, under random stalls and after a reset\n"
        f"  {right}/{total} test frames classified rightly ({right / total:.2%})\n"
        f"  {result['interval']} cycles per frame, latency {result['latency']} cycles (measured)\n"
        f"  Verilog     {out}/rtl\n"
        f"  report      {out}/reports/index.md\n"
        f"  simulate    hwgen sim {out}   (or: make -C {out}/sim)\n"
        f"  synthesize  hwgen synth {out} --tool yosys-xc7",
    )  # fmt: skip


def _doctor(_: argparse.Namespace, terminal: Terminal) -> int:
    from hwgen.doctor import examine

    findings = examine()
    rows = [(f.tool, f.found or "missing", f.needed_for, f.remedy) for f in findings]
    terminal.result(
        {f.tool: {"found": f.found, "for": f.needed_for, "remedy": f.remedy} for f in findings},
        table=(("tool", "found", "needed for", "remedy"), rows),
    )
    return TOOL if any(not f.found and f.required for f in findings) else OK


def _inspect(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    terminal.progress("reading the model")
    found = api.inspect(options.model, **_prepared(options))
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


def _build(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    chosen = {
        name: getattr(options, name)
        for name in ("target", "folding", "interval", "fps", "clock_mhz",
                     "frames", "seed", "compare")
    }  # fmt: skip
    frames_file = Path(options.frames_file) if options.frames_file else None
    built = api.build(options.model, options.out, frames_file=frames_file,
                      progress=terminal.progress, **chosen, **_prepared(options))  # fmt: skip
    m = built.manifest
    rows = [
        (s["name"], s["op"], "x".join(map(str, s["output"]["shape"])), str(s["output"]["bits"]),
         str(s["pe"]), str(s["simd"]), str(s["estimate"]["interval"]), str(s["estimate"]["lut"]))
        for s in m["stages"]
    ]  # fmt: skip
    note = "is up to date" if built.reused else "written"
    evidence = built.comparison
    terminal.result(
        {"build": str(built.folder), "reused": built.reused, "interval": m["interval"],
         "stages": m["stages"], "source": evidence},
        f"{built.folder} {note}: {m['interval']} cycles per frame, "
        f"{m['clock_mhz'] * 1e6 / m['interval']:.0f} frames/s at {m['clock_mhz']:g} MHz\n"
        f"  source model: {summary(evidence)}\n"
        f"  next: hwgen sim {built.folder}",
        (("stage", "op", "output", "bits", "PE", "SIMD", "cycles", "LUT (est.)"), rows),
    )  # fmt: skip


def _quantize(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen.core.output import check_writable, write_atomically
    from hwgen.quantization import command

    chosen, out = _prepared(options), Path(options.out)
    check_writable(out)
    terminal.progress("reading the model")
    model, report = command(
        options.model, options.calib, wbits=options.wbits, abits=options.abits,
        progress=terminal.progress, limits=chosen["limits"], external_data=chosen["external_data"],
        **chosen["ptq"],
    )  # fmt: skip
    write_atomically(out, lambda file: file.write(model.data))
    terminal.result(
        json.loads(
            json.dumps({"model": str(out), **report.as_dict()}), parse_constant=lambda _: None
        ),  # JSON has no infinity
        f"{report.summary()}\n{out} written\n  next: hwgen build {out}",
        report.table(),
    )


def _train(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen.train import command

    fields = (
        "method",
        "wbits",
        "abits",
        "edge_bits",
        "keep",
        "accumulator",
        "epochs",
        "rate",
        "batch",
    )
    changes = {f: value for f in fields if (value := getattr(options, f)) is not None}
    found = command(
        options.recipe, options.out, seed=options.seed, checkpoint=options.checkpoint,
        frames=options.test_frames, threads=options.threads, device=options.device,
        progress=terminal.progress, **changes,
    )  # fmt: skip
    frames = f" --frames-file {options.test_frames}" if options.test_frames else ""
    if found["outputs"]:
        frames = f" --output-name {list(found['outputs'])[-1]}{frames}"
    terminal.result(
        found,
        f"{found['accuracy']:.2f}% of {found['test_frames']} test frames in PyTorch; "
        f"{found['integer_accuracy']:.2f}% of {found['integer_frames']} by the integers\n"
        f"{options.out} written after {found['seconds']:.0f} s on {found['device']}\n"
        f"  next: hwgen build {options.out}{frames}",
    )


def _prepared(options: argparse.Namespace) -> dict[str, Any]:
    """What is to be done to a model before it is lifted."""
    calib = Path(options.calib) if options.calib else None
    bounds = {f.name: getattr(options, f"max_{f.name}") for f in fields(Limits)}
    external = Path(options.external_data) if options.external_data else None
    return {"wbits": options.wbits, "abits": options.abits, "calib": calib,
            "input_format": getattr(options, "input_format", None),
            "output": getattr(options, "output_name", None), "external_data": external,
            "limits": Limits(**bounds), "ptq": given(options)}  # fmt: skip


def _run(options: argparse.Namespace, terminal: Terminal) -> None:
    import numpy as np

    from hwgen import api
    from hwgen.core.output import check_writable, write_atomically
    from hwgen.frames import read_arrays

    frames = read_arrays(Path(options.input))
    check_writable(Path(options.output))
    terminal.progress(f"running {options.input} ({options.engine})")
    result = api.run(options.target, frames, engine=options.engine, raw=options.raw,
                     **_prepared(options))  # fmt: skip
    if isinstance(result, np.ndarray):
        write_atomically(Path(options.output), lambda file: np.save(file, result))
        shape = "x".join(map(str, result.shape))
        terminal.result(
            {"output": options.output, "shape": list(result.shape), "dtype": str(result.dtype)},
            f"{options.output}: {shape} {result.dtype}",
        )
        return
    write_atomically(Path(options.output), lambda file: np.savez(file, **result))  # type: ignore[arg-type]
    terminal.result(
        {"output": options.output, "arrays": {k: list(y.shape) for k, y in result.items()}},
        f"{options.output}: an .npz of "
        + ", ".join(f"{printable(k)} {'x'.join(map(str, y.shape))}" for k, y in result.items()),
    )


def _sim(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    terminal.progress("simulating in Verilator")
    result = api.simulate(options.folder, frames=options.frames, stall=options.stall,
                          seed=options.seed, waves=options.waves)  # fmt: skip
    terminal.result(
        result,
        f"{result['frames'] - result['mismatches']}/{result['frames']} frames bit-exact\n"
        f"  measured: {result['interval']} cycles per frame ({result['expected_interval']} "
        f"predicted), latency {result['latency']} cycles",
    )


def _synth(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen import api

    terminal.progress(f"running {options.tool}")
    report = api.synthesize(options.folder, options.tool)
    manifest = api.load(options.folder).manifest
    estimates = {s["name"]: s["estimate"] for s in manifest["stages"]} | {"": manifest["between"]}
    kinds = ("lut", "ff", "bram", "dsp")
    estimates["total"] = {kind: sum(e[kind] for e in estimates.values()) for kind in kinds}
    rows = [
        (name or "between stages", *(f"{getattr(usage, kind):g}" for kind in kinds),
         *(f"{estimates[name][kind]:g}" if name in estimates else "" for kind in kinds))
        for name, usage in [*report.stages.items(), ("total", report.total)]
    ]  # fmt: skip
    terminal.result(
        {**asdict(report), "estimates": estimates},
        f"BRAM in blocks of 36 Kibit; log, report and the commands that gave it in "
        f"{options.folder}/synth/{options.tool}",
        (("stage", "LUT", "FF", "BRAM", "DSP", "est. LUT", "FF", "BRAM", "DSP"), rows),
    )


def _explain(options: argparse.Namespace, terminal: Terminal) -> None:
    if options.all == bool(options.code):
        fail("HW110", where="hwgen explain", why="must be given either a code or --all",
             help=f"codes are {', '.join(CODES)}")  # fmt: skip
    wanted = list(CODES) if options.all else [options.code.upper()]
    if wanted[0] not in CODES:
        fail("HW110", where=options.code, why="no such code",
             help=f"{did_you_mean(wanted[0], CODES)}codes are {', '.join(CODES)}")  # fmt: skip
    entries = [{"code": code, **asdict(CODES[code])} for code in wanted]
    shape = "{code}: {title} (exit {exit})\n{text}"
    text = ""
    if options.all:
        shape = "## {code}: {title}\n\nExit code {exit}. {text}\n"
        text = "# Error codes\n\nWritten by `make docs`; `hwgen explain CODE` prints one.\n\n"
    text += "\n".join(
        shape.format(**entry, text=textwrap.fill(entry["explanation"], 88)) for entry in entries
    )
    terminal.result({"codes": entries} if options.all else entries[0], text.rstrip())


def _add_model_options(sub: argparse.ArgumentParser) -> None:
    """What a quantized model must have, or what a float one is to get."""
    must = sub.prog.endswith("quantize")  # the others take models that are quantized already
    what = "" if must else " that the model must have"
    sub.add_argument("--wbits", type=int, required=must, help=f"weight bits{what}, 1 to 8")
    sub.add_argument("--abits", type=int, required=must, help=f"activation bits{what}, 1 to 8")
    sub.add_argument("--calib", required=must, metavar="FILE",
                     help=".npy or .npz of typical inputs, to quantize a float model by")  # fmt: skip
    if not must:
        sub.add_argument("--input-format", help="fixed-point format of real inputs, such as Q3.12")
        sub.add_argument("--output-name", metavar="NAME",
                         help="the only output to take of several, with what leads to it")  # fmt: skip
    add_options(sub)
    bounds = sub.add_argument_group("what a model file may cost (see docs/safety.md)")
    bounds.add_argument("--external-data", metavar="DIR",
                        help="only folder whose files may hold the model's tensors (none)")  # fmt: skip
    for limit in fields(Limits):
        bounds.add_argument(flag(limit.name), type=int, metavar="N", default=limit.default,
                            help=f"{meaning(limit.name)} ({limit.default})")  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Errors have the form of all others; an option has one name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> Any:
        word = next((m[0] for m in re.finditer(r"--[\w-]+|(?<=')[\w-]+(?=')", message)), "")
        near = did_you_mean(word, self._words())
        fail("HW110", where=self.prog, why=message, help=f"{near}{self.prog} --help lists all")

    def _words(self) -> set[str]:
        """Every command and option, those of the commands included."""
        words = set(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                words.update(action.choices, *(sub._words() for sub in action.choices.values()))
        return words


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hwgen", description="From a quantized ONNX model to proven Verilog.")
    parser.add_argument("--version", action="version", version=f"hwgen {hwgen.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--debug", action="store_true", help="show the traceback of a fault")
        sub.set_defaults(run=run)
        return sub

    sub = command("demo", _demo, "build and simulate a shipped model")
    sub.add_argument("--model", default="digits_mlp_w2a4", help="a shipped model's name")
    sub.add_argument("-o", "--out", help="folder to write (build/demo_<model>)")
    sub.add_argument("--frames", type=int, default=200, help="frames to simulate (200)")

    command("doctor", _doctor, "find every tool, and say what to install")

    sub = command("inspect", _inspect, "show layers, widths and work of a model")
    sub.add_argument("model")
    _add_model_options(sub)

    sub = command("build", _build, "turn a model into Verilog with a testbench")
    sub.add_argument("model")
    sub.add_argument("-o", "--out", help="folder to write (build/<model>)")
    _add_model_options(sub)
    sub.add_argument("--target", default="verilog", help="verilog")
    sub.add_argument("--folding", default="balanced",
                     help="serial, balanced, parallel, or a folding .json")  # fmt: skip
    sub.add_argument("--interval", type=int, help="cycles per frame not to exceed")
    sub.add_argument("--fps", type=float, help="frames per second to reach at --clock-mhz")
    sub.add_argument("--clock-mhz", type=float, default=100.0, help="clock in MHz (100)")
    sub.add_argument("--frames", type=int, default=100, help="frames of stimulus to store (100)")
    sub.add_argument("--frames-file", help=".npy or .npz with model inputs to simulate")
    sub.add_argument("--seed", type=int, default=0, help="seed of the random frames (0)")
    sub.add_argument("--compare", type=int, default=8, metavar="N",
                     help="frames on which to compare with the source model, 0 for none (8)")  # fmt: skip

    sub = command("quantize", _quantize, "turn a float model into a quantized one")
    sub.add_argument("model")
    sub.add_argument("-o", "--out", required=True, help=".onnx to write")
    _add_model_options(sub)

    sub = command("train", _train, "train a small network with quantizers on (needs PyTorch)")
    sub.add_argument(
        "recipe",
        help="digits, digits-mlp, mnist14, mnist, fashion14, fashion, cifar10, faces or jets",
    )
    sub.add_argument("-o", "--out", required=True, help=".onnx to write")
    sub.add_argument(
        "--method", help="sat, lsq, qgt, rvsm, sp-net ... (the recipe's): docs/training.md"
    )
    sub.add_argument("--wbits", type=int, help="bits of inner weights, 1 to 8")
    sub.add_argument("--abits", type=int, help="bits of activations, 1 to 8")
    sub.add_argument("--edge-bits", type=int, help="weight bits of the first and last layer (8)")
    sub.add_argument("--keep", type=float, help="share kept by rvsm, admm, rvscgd and rgsm")
    sub.add_argument("--accumulator", type=int, help="accumulator bits of a2q and a2q+ (12)")
    sub.add_argument("--epochs", type=int, help="passes over the data")
    sub.add_argument("--rate", type=float, help="where the learning rate begins")
    sub.add_argument("--batch", type=int, help="frames per step")
    sub.add_argument("--seed", type=int, default=0, help="seed of weights and batches (0)")
    sub.add_argument("--checkpoint", metavar="FILE", help="state to go on from, if it is there")
    sub.add_argument("--test-frames", metavar="FILE", help=".npz to write test frames to")
    sub.add_argument("--threads", type=int, default=1, help="threads of PyTorch (1)")
    sub.add_argument("--device", help="cpu or cuda (cuda where there is one)")

    sub = command("run", _run, "run frames through the reference, the Verilog or the source model")
    sub.add_argument("target", metavar="MODEL|DIR")
    sub.add_argument(
        "--input",
        required=True,
        help=".npy of frames (N, ...); .npz of one array per input where there are several",
    )
    sub.add_argument(
        "--output", required=True, help=".npy to write; an .npz where the model has several outputs"
    )
    sub.add_argument("--engine", default="reference", help="reference, rtl or onnx")
    sub.add_argument("--raw", action="store_true", help="write the hardware's integers")
    _add_model_options(sub)

    sub = command("sim", _sim, "simulate a build and compare every integer")
    sub.add_argument("folder", metavar="DIR")
    sub.add_argument("--frames", type=int, help="frames to simulate (all that are stored)")
    sub.add_argument("--stall", type=float, default=0.3, help="probability of a stall (0.3)")
    sub.add_argument("--seed", type=int, default=1, help="seed of the stalls (1)")
    sub.add_argument("--waves", action="store_true", help="record sim/waves.fst")

    sub = command("synth", _synth, "synthesize a build with an open tool")
    sub.add_argument("folder", metavar="DIR")
    sub.add_argument(
        "--tool", default="yosys-xc7", help="yosys-xc7, yosys-xc7-area, yosys-ecp5 or yosys-ice40"
    )

    sub = command("explain", _explain, "explain an error code")
    sub.add_argument("code", nargs="?", help="such as HW201")
    sub.add_argument("--all", action="store_true", help="explain all, as docs/errors.md does")
    return parser
