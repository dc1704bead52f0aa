"""A design with two inputs and two outputs, each at a rate of its own."""

import json

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from hwgen.core.intrange import IntRange
from hwgen.emit.manifest import Manifest, PortInfo
from hwgen.emit.templates import sim_files
from hwgen.emit.verilog import emit
from hwgen.hw.axi_stream import AxiPort, AxiStreamTop
from hwgen.hw.stream import words
from hwgen.ir.graph import Port
from hwgen.ir.types import TensorType
from hwgen.verify.run import simulate
from tests.sim.test_simulation import REASON

pytestmark = pytest.mark.skipif(isinstance(REASON, str), reason=str(REASON))

A, B = IntRange(-3, 4), IntRange(0, 100)
BEATS = 6  # of a; b has half as many, and every second beat of a meets one of b


class PairCore(Component):
    """``o0 = i0``, and for every odd beat ``o1 = i1 - i0``."""

    def __init__(self):
        super().__init__(
            {"i0": In(words(1, A)), "i1": In(words(1, B)),
             "o0": Out(words(1, A)), "o1": Out(words(1, B + -A))}
        )  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        odd = Signal()
        both = Signal()
        room = (~self.o0.valid | self.o0.ready) & (~self.o1.valid | self.o1.ready)
        m.d.comb += [
            both.eq(self.i0.valid & (self.i1.valid | ~odd) & room),
            self.i0.ready.eq(both),
            self.i1.ready.eq(both & odd),
        ]
        with m.If(self.o0.ready):
            m.d.sync += self.o0.valid.eq(0)
        with m.If(self.o1.ready):
            m.d.sync += self.o1.valid.eq(0)
        with m.If(both):
            m.d.sync += [odd.eq(~odd), self.o0.valid.eq(1), self.o0.payload.eq(self.i0.payload)]
            with m.If(odd):
                difference = self.i1.payload[0] - self.i0.payload[0]
                m.d.sync += [self.o1.valid.eq(1), self.o1.payload[0].eq(difference)]
        return m


def port(name: str, prefix: str, type_: TensorType) -> PortInfo:
    index = np.arange(type_.size).reshape(type_.shape)
    return PortInfo.at(Port(name, name, type_.shape, index), prefix, type_, 1)


def test_two_in_two_out(tmp_path):
    c = B + -A
    top = AxiStreamTop(
        PairCore(),
        [AxiPort("i0", 1, A, BEATS, "a"), AxiPort("i1", 1, B, BEATS // 2, "b")],
        [AxiPort("o0", 1, A, BEATS, "y"), AxiPort("o1", 1, c, BEATS // 2, "z")],
    )
    emit(top, "pair").write(tmp_path)
    a, b = TensorType((BEATS,), A), TensorType((BEATS // 2,), B)
    z = TensorType((BEATS // 2,), c)
    manifest = Manifest(
        "pair", "pair", 100.0, BEATS, BEATS + 2,
        tuple(port(name, f"s_axis_{name}", type_) for name, type_ in (("a", a), ("b", b))),
        tuple(port(name, f"m_axis_{name}", type_) for name, type_ in (("y", a), ("z", z))),
        (),
    )  # fmt: skip
    (tmp_path / "manifest.json").write_text(manifest.text())
    for path, text in sim_files().items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    rng = np.random.default_rng(0)
    x, w = rng.integers(-3, 5, (9, BEATS)), rng.integers(0, 101, (9, BEATS // 2))
    vectors = {"input:a": x, "input:b": w, "output:y": x, "output:z": w - x[:, 1::2]}
    np.savez(tmp_path / "sim/vectors.npz", **vectors)
    result = simulate(tmp_path, stall=0.6, frames=40)
    assert result["frames"] == 82
    assert result["interval"] == BEATS and result["latency"] == BEATS + 2
    assert json.loads(manifest.text())["inputs"][1]["tdata_bits"] == 8
