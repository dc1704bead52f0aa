"""The boundary of a network: AXI4-Stream outside, streams of lanes inside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Module, Mux, ResetSignal, Signal
from amaranth.lib.wiring import Component, In, Out

from hwgen.core.intrange import IntRange
from hwgen.hw.register_slice import RegisterSlice
from hwgen.hw.skid_buffer import SkidBuffer


class AxiPort(NamedTuple):
    """One stream at the boundary.

    ``name``: the port of the core (``i``, ``o1`` ...); ``lanes`` integers of ``range`` per beat;
    ``beats`` per frame; ``label`` tells ports apart that share a direction.
    ``registered``: the core's ready, of an input, comes from registers through a few gates.
    """

    name: str
    lanes: int
    range: IntRange
    beats: int
    label: str = ""
    registered: bool = False

    @property
    def bits(self) -> int:
        """Bits of the lanes, lane 0 lowest."""
        return self.lanes * self.range.width

    @property
    def tdata_bits(self) -> int:
        """Width of TDATA: the lanes, zero padded to whole bytes."""
        return -(-self.bits // 8) * 8

    def prefix(self, side: str, several: bool) -> str:
        """The name before ``_tdata``: ``s_axis`` or, one of several, ``s_axis_<label>``."""
        return f"{side}_axis_{self.label or self.name}" if several else f"{side}_axis"


class AxiStreamTop(Component):
    """Wraps ``core`` in AXI4-Stream ports: ``aclk``, ``aresetn``, ``s_axis_*``, ``m_axis_*``.

    TDATA carries the lanes, lane 0 in the lowest bits, zero padded to whole bytes. Output TLAST
    marks the last beat of a frame. Input TLAST is not looked at: frames follow each other without
    a gap, and a count of beats, which a reset starts anew, says where one ends. A skid buffer at
    each port keeps every path to the outside one register long, for two cycles of latency in all;
    a plain register does for an input whose ready comes from registers anyway.
    ``aresetn`` is synchronous and active low: from the first rising edge of ``aclk`` that sees it
    low until the first that sees it high, TVALID is low and no beat is taken, whatever TREADY says.

    Parameters
    ----------
    core: component with one stream port for every port named below.
    inputs, outputs: the ports, at least one each.

    Timing: ``latency = core.latency + 2``; the interval is the core's.
    """

    LATENCY = 2  # one cycle per skid buffer

    def __init__(
        self, core: Component, inputs: Iterable[AxiPort], outputs: Iterable[AxiPort]
    ) -> None:
        self.core = core
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        members: dict[str, Any] = {"aclk": In(1), "aresetn": In(1)}
        for side, ports, to, back in (
            ("s", self.inputs, In, Out),
            ("m", self.outputs, Out, In),
        ):
            for port in ports:
                name = port.prefix(side, len(ports) > 1)
                members |= {
                    f"{name}_tdata": to(port.tdata_bits),
                    f"{name}_tvalid": to(1),
                    f"{name}_tready": back(1),
                    f"{name}_tlast": to(1),
                }
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        m.submodules.core = self.core
        for port in self.inputs:
            name = port.prefix("s", len(self.inputs) > 1)
            m.submodules[name] = skid = (RegisterSlice if port.registered else SkidBuffer)(
                port.lanes, port.range
            )
            inner = getattr(self.core, port.name)
            m.d.comb += [
                skid.i.payload.eq(self._of(name, "tdata")[: port.bits]),
                skid.i.valid.eq(self._of(name, "tvalid")),
                self._of(name, "tready").eq(skid.i.ready),
                inner.payload.eq(skid.o.payload),
                inner.valid.eq(skid.o.valid),
                skid.o.ready.eq(inner.ready),
            ]
        for port in self.outputs:
            name = port.prefix("m", len(self.outputs) > 1)
            m.submodules[name] = skid = SkidBuffer(port.lanes, port.range)
            inner = getattr(self.core, port.name)
            beat = Signal(range(port.beats), name=f"{name}_beat")
            last = beat == port.beats - 1
            padding = Const(0, port.tdata_bits - port.bits)
            m.d.comb += [
                skid.i.payload.eq(inner.payload),
                skid.i.valid.eq(inner.valid),
                inner.ready.eq(skid.i.ready),
                self._of(name, "tdata").eq(Cat(skid.o.payload.as_value(), padding)),
                self._of(name, "tvalid").eq(skid.o.valid),
                self._of(name, "tlast").eq(last),
                skid.o.ready.eq(self._of(name, "tready")),
            ]
            with m.If(skid.o.valid & skid.o.ready):
                m.d.sync += beat.eq(Mux(last, 0, beat + 1))
        return m

    def _of(self, name: str, wire: str) -> Any:
        return getattr(self, f"{name}_{wire}")
