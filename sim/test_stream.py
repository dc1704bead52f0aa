"""The one cocotb test: frames in, integers out, equal or the first difference.

The plan (``HWGEN_PLAN``, JSON) lists scenarios. Each starts with a reset, runs in compiled code,
and is judged from the files that the testbench wrote. The verdicts go to ``HWGEN_RECORD``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import First, RisingEdge, Timer
from codec import decode, first_difference

FAULTS = [
    "", "TVALID fell before the beat was taken", "TDATA or TLAST changed while TREADY was low",
    "TLAST is not on the last beat of the frame", "TVALID is high in reset",
    "a beat came after the last frame", "TVALID is unknown",
]  # fmt: skip
CYCLE_NS = 10


@cocotb.test()
async def stream(dut: Any) -> None:
    """Runs every scenario of the plan."""
    plan = json.loads(os.environ["HWGEN_PLAN"])
    manifest = json.loads(Path(plan["manifest"]).read_text("utf-8"))
    record = []
    for scenario in plan["scenarios"]:
        await run(dut, scenario)
        record.append(judge(dut, scenario, manifest, Path(plan["work"]), plan["vectors"]))
        Path(os.environ["HWGEN_RECORD"]).write_text(json.dumps(record), "utf-8")
        if record[-1]["verdict"] != "equal":
            break
    bad = [r for r in record if r["verdict"] != "equal"]
    assert not bad, bad[0]


async def run(dut: Any, scenario: dict[str, Any]) -> None:
    """Reset, then stream; a scenario with ``reset_after`` is broken off there and starts anew."""
    await start(dut, scenario)
    if scenario.get("reset_after"):
        await Timer(scenario["reset_after"] * CYCLE_NS, "ns")
        await start(dut, scenario)
    await First(RisingEdge(dut.done), RisingEdge(dut.stuck))
    if not int(dut.stuck.value):
        await Timer(64 * CYCLE_NS, "ns")  # nothing may follow the last frame


async def start(dut: Any, scenario: dict[str, Any]) -> None:
    dut.aresetn.value = 0
    dut.frames.value = scenario["frames"]
    dut.stall_in.value = round(scenario["stall_in"] * 65536)
    dut.stall_out.value = round(scenario["stall_out"] * 65536)
    dut.seed.value = scenario["seed"] & 0xFFFFFFFF
    dut.patience.value = scenario["patience"]
    dut.watch.value = int(scenario.get("watch", False))
    await Timer(8 * CYCLE_NS, "ns")
    dut.aresetn.value = 1


def judge(
    dut: Any, scenario: dict[str, Any], manifest: dict[str, Any], work: Path, vectors: str | None
) -> dict[str, Any]:
    """What one scenario showed: verdict, cycles, and the first thing that is wrong."""
    result: dict[str, Any] = {
        "name": scenario["name"], "frames": scenario["frames"], "verdict": "equal",
        "cycles": int(dut.cycle.value),
    }  # fmt: skip
    for index, port in enumerate(manifest["outputs"]):
        if fault := int(getattr(dut, f"fault_{index}").value):
            cycle = int(getattr(dut, f"fault_cycle_{index}").value)
            result |= {
                "verdict": "protocol",
                "why": f"{port['port']}: {FAULTS[fault]}, cycle {cycle}",
            }
    wrong = first_mismatch(scenario, manifest, work, vectors) if vectors else None
    if wrong:
        result |= {"verdict": "mismatch", "first_mismatch": wrong}
    elif int(dut.stuck.value) and result["verdict"] == "equal":
        result |= {"verdict": "stuck", "why": f"no beat moved for {scenario['patience']} cycles"}
    ends = [
        [int(line) for line in (work / f"{port['port']}.ends").read_text().split()]
        for port in manifest["outputs"]
    ]
    last = [max(cycles) for cycles in zip(*ends, strict=False)]
    if last:
        result["latency"] = last[0] - int(dut.first_in.value)
    if len(last) > 1:
        steps = np.diff(last)[len(last) // 2 - 1 :]
        result["interval"] = int(steps.max())
    return result


def first_mismatch(
    scenario: dict[str, Any], manifest: dict[str, Any], work: Path, vectors: str
) -> dict[str, Any] | None:
    """The first integer of an output that is not as expected."""
    with np.load(vectors, allow_pickle=False) as arrays:
        for port in manifest["outputs"]:
            expected = arrays[f"output:{port['value']}"]
            frame_bytes = port["beats"] * (port["tdata_bits"] // 4 + 1)
            step = max(1, (1 << 22) // frame_bytes)
            with (work / f"{port['port']}.out").open("rb") as file:
                for start in range(0, scenario["frames"], step):
                    try:
                        got = decode(file.read(step * frame_bytes), port)
                    except ValueError as error:
                        return {"output": port["value"], "frame": start, "why": str(error)}
                    index = np.arange(start, start + len(got)) % len(expected)
                    if found := first_difference(expected[index], got):
                        frame, position, want, have = found
                        return {
                            "output": port["value"], "frame": start + frame,
                            "position": position, "expected": want, "got": have,
                        }  # fmt: skip
    return None
