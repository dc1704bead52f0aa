"""Simulates the build that this folder belongs to and compares every integer.

python sim/run.py [--frames N] [--stall P] [--seed S] [--waves] [--json]
python sim/run.py --input x.npz --output y.npz      runs integers of your own, without comparing
python sim/run.py --netlist DIR --cells FILE ...    the netlist of a synthesis, not rtl/

Exit status: 0 equal, 1 mismatch, 2 usage, 5 a tool is missing or failed, 6 no progress or too slow.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from codec import decode, encode, first_difference
from simulator import Simulator, build_simulator, find_simulator, run_simulator
from testbench import bench_text, probed_stages, read_rtl

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent
EXIT = {"equal": 0, "done": 0, "mismatch": 1, "protocol": 1, "tool": 5, "stuck": 6, "timeout": 6}


class Simulation:
    """One build, compiled: runs scenarios and keeps their files in a folder of its own."""

    def __init__(self, simulator: Simulator, options: argparse.Namespace, work: Path) -> None:
        self.manifest = json.loads((BUILD / "manifest.json").read_text("utf-8"))
        place, rtl = options.netlist or HERE, options.netlist or BUILD / "rtl"
        self.rtl = read_rtl(rtl)
        self.simulator, self.waves, self.timeout = simulator, options.waves, options.timeout
        self.work = work
        bench = place / "bench.sv"
        text = bench_text(self.manifest, self.rtl)
        if not bench.exists() or bench.read_text("utf-8") != text:
            bench.write_text(text, "utf-8")
        sources = [*sorted(rtl.glob("*.v")), *options.cells, HERE / "tb.sv", bench]
        self.built = build_simulator(
            sources, place / "build", waves=self.waves, simulator=simulator,
            netlist=bool(options.netlist),
        )  # fmt: skip

    def patience(self, stall: float) -> int:
        """Cycles without a beat that mean it is stuck: far more than a frame takes."""
        slow = 1 / (1 - stall) ** 2
        return int(slow * 4 * (self.manifest["latency"] + self.manifest["interval"])) + 10000

    def scenario(self, name: str, frames: int, stall: float, seed: int, **more: Any) -> dict:
        return {
            "name": name, "frames": frames, "stall_in": stall, "stall_out": stall, "seed": seed,
            "patience": self.patience(stall), **more,
        }  # fmt: skip

    def stimulate(self, arrays: Any, count: int, prefix: str = "") -> None:
        """Write the files of the sources: ``count`` frames, those given over and over."""
        for port in self.manifest["inputs"]:
            frames = arrays[f"{prefix}{port['value']}"]
            step = max(1, (1 << 20) // (port["beats"] * port["tdata_bits"]))
            with (self.work / f"{port['port']}.hex").open("wb") as file:
                for start in range(0, count, step):
                    index = np.arange(start, min(start + step, count)) % len(frames)
                    file.write(encode(frames[index], port))

    def run(self, scenarios: list[dict], vectors: Path | None) -> list[dict[str, Any]]:
        """The record of every scenario that ran."""
        record = self.work / "record.json"
        plan = {
            "manifest": str(BUILD / "manifest.json"), "work": str(self.work),
            "vectors": str(vectors) if vectors else None, "scenarios": scenarios,
        }  # fmt: skip
        record.unlink(missing_ok=True)
        run_simulator(
            self.built, BUILD, module="test_stream", work=self.work, waves=self.waves,
            simulator=self.simulator, timeout=self.timeout,
            variables={"HWGEN_PLAN": json.dumps(plan), "HWGEN_RECORD": str(record)},
        )  # fmt: skip
        if not record.exists():
            log = (self.work / "simulator.log").read_text("utf-8", "replace")
            raise OSError(f"the simulator ended without a verdict\n{log[-2000:]}")
        return json.loads(record.read_text("utf-8"))

    def outputs(self, count: int) -> dict[str, np.ndarray]:
        """The frames that came out, by value."""
        found = {}
        for port in self.manifest["outputs"]:
            found[port["value"]] = decode((self.work / f"{port['port']}.out").read_bytes(), port)
            assert len(found[port["value"]]) == count
        return found

    def blame(self, arrays: Any, frame: int, seed: int) -> dict[str, Any] | None:
        """The first stage whose stream differs, seen by running again up to ``frame``."""
        known = min(len(v) for k, v in arrays.items() if k.startswith("edge:"))
        if frame >= known:
            return None
        self.run([self.scenario("watch", frame + 1, 0.0, seed, watch=True)], None)
        for stage in probed_stages(self.manifest, self.rtl):
            edge = stage["output"]
            path = self.work / f"{stage['name']}.edge"
            got = decode(path.read_bytes() if path.exists() else b"", edge)
            expected = arrays[f"edge:{edge['value']}"][: frame + 1]
            found = first_difference(expected, got)
            if found or len(got) < len(expected):
                where = {"stage": stage["name"], "op": stage["op"], "frames_seen": len(got)}
                if found:
                    at, position, want, have = found
                    where |= {"frame": at, "position": position, "expected": want, "got": have}
                return where
        return None


def verify(simulation: Simulation, options: argparse.Namespace) -> dict[str, Any]:
    """All scenarios of ``hwgen sim``, as one result."""
    vectors = HERE / "vectors.npz"
    manifest, seed = simulation.manifest, options.seed
    with np.load(vectors, allow_pickle=False) as stored:
        arrays = dict(stored.items())
    have = len(arrays[f"input:{manifest['inputs'][0]['value']}"])
    frames = options.frames or have
    simulation.stimulate(arrays, max(frames, 4), "input:")
    pick = random.Random(seed)  # noqa: S311
    middle = manifest["latency"] // 2 + pick.randrange(1, manifest["interval"] + 2)
    record = simulation.run(
        [
            simulation.scenario("back to back", max(frames, 4), 0.0, seed),
            simulation.scenario("random stalls", frames, options.stall, seed),
            simulation.scenario("reset in a frame", min(frames, 2), 0.0, seed, reset_after=middle),
        ],
        vectors,
    )
    worst = record[-1]
    result = {
        "verdict": worst["verdict"], "name": manifest["name"],
        "frames": sum(r["frames"] for r in record if r["verdict"] == "equal"),
        "mismatches": int(worst["verdict"] == "mismatch"),
        "interval": record[0].get("interval"), "latency": record[0].get("latency"),
        "expected_interval": manifest["interval"], "expected_latency": manifest["latency"],
        "cycles": worst["cycles"], "seed": seed, "stall": options.stall,
        "simulator": f"Verilator {simulation.simulator.version}", "scenarios": record,
        "why": worst.get("why"), "first_mismatch": worst.get("first_mismatch"),
        "first_layer": None,
    }  # fmt: skip
    if wrong := worst.get("first_mismatch"):
        result["first_layer"] = simulation.blame(arrays, wrong["frame"] % have, seed)
    return result


def pass_through(simulation: Simulation, options: argparse.Namespace) -> dict[str, Any]:
    """Run the user's integers and save what comes out."""
    with np.load(options.input, allow_pickle=False) as stored:
        arrays = dict(stored.items())
    count = len(arrays[simulation.manifest["inputs"][0]["value"]])
    simulation.stimulate(arrays, count)
    (record,) = simulation.run([simulation.scenario("run", count, 0.0, options.seed)], None)
    if record["verdict"] == "equal":
        np.savez(options.output, **simulation.outputs(count))  # type: ignore[arg-type]
        record["verdict"] = "done"
    return {"seed": options.seed, **record}


def explain(result: dict[str, Any]) -> str:
    """The result in words."""
    lines = [f"verdict   {result['verdict']}"]
    keys = ("frames", "interval", "latency", "cycles", "seed", "simulator", "why")
    lines += [f"{key:<9} {result[key]}" for key in keys if result.get(key) is not None]
    if wrong := result.get("first_mismatch"):
        lines.append("first mismatch  " + _fields(wrong))
        layer = result.get("first_layer")
        lines.append("first layer     " + (_fields(layer) if layer else "not seen"))
    return "\n".join(lines)


def _fields(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="sim/run.py", description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--frames", type=int, help="how many; default: all stored")
    parser.add_argument("--stall", type=float, default=0.3, help="of a stall, 0 to 0.95")
    parser.add_argument("--seed", type=int, default=1, help="of the stalls and of the reset")
    parser.add_argument("--waves", action="store_true", help="write sim/waves.fst or .vcd")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds of one run")
    parser.add_argument("--input", type=Path, help="integers by value name, .npz")
    parser.add_argument("--output", type=Path, help="where outputs go, .npz")
    parser.add_argument("--netlist", type=Path, help="folder whose *.v is simulated, not rtl/")
    parser.add_argument("--cells", type=Path, nargs="*", default=[], help="models of its cells")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    if not 0 <= options.stall <= 0.95 or (options.frames or 1) < 1:
        parser.error("--stall must be 0 to 0.95 and --frames at least 1")
    if (options.input is None) != (options.output is None):
        parser.error("--input and --output go together")
    simulator = find_simulator()
    result: dict[str, Any]
    if isinstance(simulator, str):
        result = {"verdict": "tool", "why": simulator}
    else:
        with tempfile.TemporaryDirectory(dir=HERE, prefix="work-") as work:
            try:
                simulation = Simulation(simulator, options, Path(work))
                result = (pass_through if options.input else verify)(simulation, options)
            except subprocess.TimeoutExpired:
                why = f"the simulation ran longer than {options.timeout:g} seconds"
                result = {"verdict": "timeout", "why": why}
            except (OSError, SystemExit) as error:
                result = {"verdict": "tool", "why": str(error)}
    if not options.input:
        place = options.netlist or HERE
        (place / "result.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result) if options.json else explain(result))
    return EXIT[result["verdict"]]


if __name__ == "__main__":
    sys.exit(main())
