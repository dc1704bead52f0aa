"""WeightMemory: packing, reading, and what becomes of it in Verilog."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from hwgen.emit.memory_files import mem_text, parse_mem
from hwgen.emit.verilog import emit
from hwgen.hw.weight_memory import WeightMemory, pack, rom_style


@given(st.data())
def test_pack_is_lane_0_lowest(data):
    width = data.draw(st.integers(1, 40))
    lanes = data.draw(st.integers(1, 9))
    element = st.integers(-(1 << (width - 1)), (1 << width) - 1)
    row = st.lists(element, min_size=lanes, max_size=lanes)
    rows = data.draw(st.lists(row, min_size=1, max_size=5))
    expected = [sum((v % (1 << width)) << (i * width) for i, v in enumerate(r)) for r in rows]
    assert pack(np.array(rows), width) == expected


def test_pack_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="do not fit 3 bits"):
        pack(np.array([[8]]), 3)
    with pytest.raises(ValueError, match="do not fit 3 bits"):
        pack(np.array([[-5]]), 3)
    with pytest.raises(ValueError, match="depth, lanes"):
        pack(np.array([1, 2]), 3)


@given(st.integers(1, 200), st.data())
def test_memory_files_round_trip(width, data):
    words = data.draw(st.lists(st.integers(0, (1 << width) - 1), min_size=1, max_size=20))
    text = mem_text(words, width)
    assert parse_mem(text) == words
    assert {len(line) for line in text.splitlines()} == {-(-width // 4)}


@pytest.mark.parametrize("depth", [1, 2, 5, 64])
def test_reads_one_cycle_later_and_holds(depth):
    words = list(np.random.default_rng(depth).integers(0, 1 << 12, depth))
    dut = WeightMemory(words, 12)

    async def bench(ctx):
        for address in [*range(depth), *reversed(range(depth))]:
            ctx.set(dut.addr, address)
            ctx.set(dut.en, 1)
            await ctx.tick()
            assert ctx.get(dut.data) == words[address]
            ctx.set(dut.en, 0)
            ctx.set(dut.addr, 0)
            await ctx.tick()
            assert ctx.get(dut.data) == words[address]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_styles():
    assert rom_style(8, 2) == "logic"
    assert rom_style(16, 16) == "logic"
    assert rom_style(256, 64) == "distributed"
    assert rom_style(256, 256) == "block"
    assert rom_style(32, 256) == "block"


class Holder(Component):
    """A component with a ROM in it."""

    def __init__(self, words, width):
        self.rom = WeightMemory(words, width)
        super().__init__(dict(self.rom.signature.members.items()))

    def elaborate(self, platform):
        m = Module()
        m.submodules.held = self.rom
        m.d.comb += [self.rom.en.eq(self.en), self.rom.addr.eq(self.addr)]
        m.d.comb += self.data.eq(self.rom.data)
        return m


@pytest.mark.parametrize(("width", "depth"), [(8, 1024), (400, 64), (8, 4)])
def test_only_small_roms_stay_in_the_netlist(width, depth):
    words = [(i * 0x9E3779B1) % (1 << width) for i in range(depth)]
    emission = emit(Holder(words, width), "rom")
    style = rom_style(width, depth)
    if style == "logic":
        assert not emission.memories
        assert "initial" in emission.files["rtl/rom_held.v"]
    else:
        assert f"rtl/hwgen_rom_{style}.v" in emission.files
        (path,) = emission.memories
        assert path == "mem/held.mem"
        assert f'"{path}"' in emission.files["rtl/rom.v"]
        assert list(emission.memories[path].words) == words
        assert len(emission.files["rtl/rom.v"]) < 1000


def test_refuses_words_that_do_not_fit():
    with pytest.raises(ValueError, match="8 bits"):
        WeightMemory([256], 8)
    with pytest.raises(ValueError, match="depth says 3"):
        WeightMemory([1, 2], 8, 3)
