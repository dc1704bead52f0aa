"""``manifest.json``: what a build consists of, for the testbench, the reports and the user."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.core.errors import fail
from hwgen.ir.chain import Chain
from hwgen.ir.graph import Port
from hwgen.ir.types import TensorType
from hwgen.lowering.base import Cost

SCHEMA = 2
LONGEST = 1024  # constants of a host step that the manifest spells out


@dataclass(frozen=True, slots=True)
class EdgeInfo:
    """One value as it travels: ``lanes`` integers of ``bits``, ``beats`` times per frame."""

    value: str
    shape: tuple[int, ...]
    lanes: int
    lo: int
    hi: int
    bits: int
    beats: int

    @classmethod
    def of(cls, value: str, type_: TensorType, lanes: int) -> EdgeInfo:
        return cls(
            value, type_.shape, lanes, type_.range.lo, type_.range.hi, type_.range.width,
            type_.size // lanes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PortInfo(EdgeInfo):
    """An edge at the boundary: ``port`` is the name before ``_tdata``; ``name`` the model's.

    ``dtype`` is the type of the model's tensor. ``host``: the steps, by name and constants, that
    make the integers of its numbers on an input, its numbers of the integers on an output; longer
    tables of constants are in the folder ``graph``.
    """

    name: str
    port: str
    tdata_bits: int
    dtype: str
    host: tuple[dict[str, Any], ...]

    @classmethod
    def at(cls, end: Port, port: str, type_: TensorType, lanes: int) -> PortInfo:
        edge = EdgeInfo.of(end.value, type_, lanes)
        tdata_bits = -(-lanes * type_.range.width // 8) * 8
        return cls(**dataclasses.asdict(edge), name=end.name, port=port, tdata_bits=tdata_bits,
                   dtype=end.dtype, host=host_steps(end.chain))  # fmt: skip


def host_steps(chain: Chain) -> tuple[dict[str, Any], ...]:
    """A chain as JSON can hold it; arrays beyond a row of a table by their shape."""

    def plain(value: Any) -> Any:
        if isinstance(value, Chain):
            return host_steps(value)
        if isinstance(value, str) or np.size(value) <= LONGEST:
            return value if isinstance(value, str) else np.asarray(value).tolist()
        return {"shape": list(np.shape(value))}

    return tuple(
        {"step": step.kind, **{name: plain(value) for name, value in step.args.items()}}
        for step in chain.steps
    )


@dataclass(frozen=True, slots=True)
class StageInfo:
    """One stage. ``instance``: its path inside the top, whose ``o__*`` are the output stream."""

    name: str
    op: str
    lowering: str
    pe: int
    simd: int
    instance: str
    output: EdgeInfo
    estimate: Cost


@dataclass(frozen=True, slots=True)
class Manifest:
    """``interval`` and ``latency`` in cycles, exact; ``clock_mhz`` what the design was made for.

    ``between``: estimated ``lut``, ``ff``, ``bram`` and ``dsp`` of what stands between stages.
    """

    name: str
    top: str
    clock_mhz: float
    interval: int
    latency: int
    inputs: tuple[PortInfo, ...]
    outputs: tuple[PortInfo, ...]
    stages: tuple[StageInfo, ...]
    between: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def text(self) -> str:
        """JSON, the same bytes for the same manifest."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, indent=1) + "\n"


def read_manifest(build: Path) -> dict[str, Any]:
    """The manifest of a build folder. Raises HwgenError HW113 where there is none."""
    path = build / "manifest.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        fail("HW113", where=str(path), why=str(error), help="give a folder that `hwgen build` made")
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        fail("HW113", where=str(path), why=f"its schema is not {SCHEMA}", help="build it again")
    return manifest
