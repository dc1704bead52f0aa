"""Verilog of a constant matrix or a network by a peer; runs in the peers' environment (`.venv/peers`).

python bench/peer_case.py da4ml|alkaid CASE.npz FOLDER [STAGING]

CASE holds one matrix W, or a network's W0, b0, W1 ... with ``shifts``: a layer is ``x @ W + b``, and
all but the last are shifted right and clipped to ``abits`` unsigned bits. STAGING: ``cutoff=2``, adders
between two registers at most, or ``stages=8``; without it the Verilog is combinational.

Writes the peer's Verilog into FOLDER and prints a JSON object: ``top``, ``files``, ``solve_s``
(CPU seconds), ``adders``, and ``fields``, (signed, width, shift) of each output: its value is
``field << shift``, and fields are packed without gaps, the first lowest.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np


def forward(x, case, saturate):
    """The outputs of the case, traced through the peer's own arrays."""
    if "W" in case:
        return x @ case["W"].astype(float)
    for k, shift in enumerate(case["shifts"]):
        x = x @ case[f"W{k}"].astype(float) + case[f"b{k}"].astype(float)
        x = saturate(x * 2.0 ** -float(shift), int(case["abits"]))
    last = len(case["shifts"])
    return x @ case[f"W{last}"].astype(float) + case[f"b{last}"].astype(float)


def main() -> None:
    tool, case, folder = sys.argv[1], np.load(sys.argv[2]), Path(sys.argv[3])
    kind, _, number = (sys.argv[4] if len(sys.argv) > 4 else "cutoff=-1").partition("=")
    kind_of = "asigned" if "W" in case else "in_signed"
    bits, signed = int(case["abits" if "W" in case else "in_bits"]), bool(case[kind_of])
    lanes = np.ones(case["W" if "W" in case else "W0"].shape[0], int)
    ranges = (lanes * signed, lanes * (bits - signed), lanes * 0)
    started = time.process_time()
    if tool == "da4ml":
        from da4ml.codegen import VerilogModel
        from da4ml.trace import FixedVariableArray, comb_trace
        from da4ml.trace.ops import quantize
        from da4ml.types import minimal_kif

        x = FixedVariableArray.from_kif(*ranges).as_new()
        logic = comb_trace(x, forward(x, case, lambda v, b: quantize(v, 0, b, 0, "SAT", "TRN")))
        solved = time.process_time() - started
        assert kind == "cutoff", "da4ml is staged by adders"
        VerilogModel(logic, "peer", folder, latency_cutoff=float(number)).write()
        formats = [minimal_kif(q) for q in logic.out_qint]
    else:
        from alkaid.codegen import RTLModel
        from alkaid.trace import FVArray, trace
        from alkaid.trace.ops import quantize

        x = FVArray.from_kif(*ranges).as_new()
        logic = trace(x, forward(x, case, lambda v, b: quantize(v, 0, b, 0, "SAT", "TRN")))
        solved = time.process_time() - started
        staging = (
            {"n_stages": int(number)} if kind == "stages" else {"latency_cutoff": float(number)}
        )
        RTLModel(logic, folder, "peer", **staging).write()
        formats = [q.kif for q in logic.out_qint]
    print(json.dumps({
        "top": "peer", "files": sorted(str(p.relative_to(folder)) for p in folder.rglob("*.v")),
        "solve_s": round(solved, 2), "adders": sum(op.opcode in (0, 1) for op in logic.ops),
        "fields": [(bool(k), int(k) + int(i) + int(f), -int(f)) for k, i, f in formats],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
