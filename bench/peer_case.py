"""Verilog of one constant matrix by a peer; runs in the peers' own environment (`.venv/peers`).

python bench/peer_case.py da4ml|alkaid CASE.npz FOLDER

Writes the peer's Verilog into FOLDER and prints a JSON object: ``top``, ``files``, ``solve_s``
(CPU seconds), ``adders``, and ``fields``, (signed, width, shift) of each output: its value is
``field << shift``, and fields are packed without gaps, the first lowest.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    tool, case, folder = sys.argv[1], np.load(sys.argv[2]), Path(sys.argv[3])
    weight, bits, signed = case["W"].astype(float), int(case["abits"]), bool(case["asigned"])
    lanes = np.ones(weight.shape[0], int)
    ranges = (lanes * signed, lanes * (bits - signed), lanes * 0)
    started = time.process_time()
    if tool == "da4ml":
        from da4ml.codegen import VerilogModel
        from da4ml.trace import FixedVariableArray, comb_trace
        from da4ml.types import minimal_kif

        x = FixedVariableArray.from_kif(*ranges).as_new()
        logic = comb_trace(x, x @ weight)
        solved = time.process_time() - started
        VerilogModel(logic, "peer", folder).write()
        formats = [minimal_kif(q) for q in logic.out_qint]
    else:
        from alkaid.codegen import RTLModel
        from alkaid.trace import FVArray, trace

        x = FVArray.from_kif(*ranges).as_new()
        logic = trace(x, x @ weight)
        solved = time.process_time() - started
        RTLModel(logic, folder, "peer").write()
        formats = [q.kif for q in logic.out_qint]
    print(json.dumps({
        "top": "peer", "files": sorted(str(p.relative_to(folder)) for p in folder.rglob("*.v")),
        "solve_s": round(solved, 2), "adders": sum(op.opcode in (0, 1) for op in logic.ops),
        "fields": [(bool(k), int(k) + int(i) + int(f), -int(f)) for k, i, f in formats],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
