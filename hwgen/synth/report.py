"""What synthesis found: resources in total and per stage, counted by one set of rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# LUTs per cell. A LUT used as memory or shift register counts as the LUTs it takes; multiplexers
# and carries between LUTs count nothing, except where they take up LUTs of their own.
LUTS: Mapping[str, int] = {
    **{f"LUT{k}": 1 for k in range(1, 7)}, "LUT6_2": 1,
    "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM128X1D": 4,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
    "CCU2C": 2, "TRELLIS_DPR16X4": 6,
    "SB_LUT4": 1,
}  # fmt: skip
FLIP_FLOPS = re.compile(r"FD[RSCP]E(_1)?|TRELLIS_FF|SB_DFF\w*|\$_S?DFF(SR|C|CE|E|SRE)?_\w+_")
GATES = re.compile(r"\$_(?!S?DFF|DLATCH)\w+_")
BLOCKS: Mapping[str, float] = {  # in units of 36 Kibit
    "RAMB36E1": 1, "RAMB18E1": 0.5, "RAMB36E2": 1, "RAMB18E2": 0.5, "DP16KD": 0.5, "SB_RAM40_4K": 1 / 9,
}  # fmt: skip
DSPS = frozenset({"DSP48E1", "DSP48E2", "MULT18X18D", "SB_MAC16"})
CARRIES = frozenset({"CARRY4", "CARRY8", "CCU2C", "SB_CARRY"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Resources. ``bram`` in blocks of 36 Kibit; ``gates`` of no family; ``cells`` the tool's own
    count by type."""

    lut: int
    ff: int
    bram: float
    dsp: int
    carry: int
    cells: Mapping[str, int] = field(default_factory=dict)
    gates: int = 0

    @classmethod
    def of(cls, cells: Mapping[str, int]) -> Usage:
        def total(weights: Mapping[str, float]) -> float:
            return sum(weights.get(kind, 0) * count for kind, count in cells.items())

        return cls(
            lut=int(total(LUTS)),
            ff=sum(count for kind, count in cells.items() if FLIP_FLOPS.fullmatch(kind)),
            bram=round(total(BLOCKS), 2),
            dsp=sum(count for kind, count in cells.items() if kind in DSPS),
            carry=sum(count for kind, count in cells.items() if kind in CARRIES),
            cells=dict(sorted(cells.items())),
            gates=sum(count for kind, count in cells.items() if GATES.fullmatch(kind)),
        )


@dataclass(frozen=True, slots=True)
class SynthReport:
    """One synthesis. ``stages`` by stage name; what is in none is under ``""``. ``flow``: the
    commands, one a line. ``check``: the result of the netlist's simulation, where there was one."""

    tool: str
    total: Usage
    stages: Mapping[str, Usage]
    flow: str = ""
    check: Mapping[str, Any] | None = None

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def parse_stat(text: str, tool: str, modules: Mapping[str, str], flow: str = "") -> SynthReport:
    """The report of ``stat -json``. ``modules`` names the stage that each module holds."""
    stat = json.loads(text)
    by_stage: dict[str, dict[str, int]] = {stage: {} for stage in modules.values()}
    names = {name.removeprefix("\\") for name in stat["modules"]}
    for name, module in stat["modules"].items():
        cells = by_stage.setdefault(modules.get(name.removeprefix("\\"), ""), {})
        for kind, count in module["num_cells_by_type"].items():
            if kind not in names:  # not an instance of another module
                cells[kind] = cells.get(kind, 0) + count
    total: dict[str, int] = {}
    for cells in by_stage.values():
        for kind, count in cells.items():
            total[kind] = total.get(kind, 0) + count
    stages = {stage: Usage.of(cells) for stage, cells in by_stage.items()}
    return SynthReport(tool, Usage.of(total), stages, flow)
