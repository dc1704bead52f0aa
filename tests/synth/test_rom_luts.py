"""ROMs in LUTs: as many as they must be, and the mapped netlist reads the words."""

import numpy as np
import pytest

from bench.netlist import Netlist
from hwgen.emit.memory_files import mem_text
from hwgen.emit.templates import template
from hwgen.emit.yosys import run_yosys
from hwgen.synth.report import Usage
from hwgen.synth.yosys import ROM_LUTS, TOOLS

TOP = """
module top (input clk, input en, input [{bits}-1:0] addr, output [{width}-1:0] data);
  hwgen_rom_distributed #(
    .WIDTH({width}), .DEPTH({depth}), .ADDR_WIDTH({bits}), .INIT("rom.mem")
  ) memory (.clk(clk), .en(en), .addr(addr), .data(data));
endmodule
"""


def mapped(folder, tool, words, width):
    """The netlist of a ROM."""
    depth, bits = len(words), (len(words) - 1).bit_length()
    for path in (ROM_LUTS, "rtl/hwgen_rom_distributed.v"):
        (folder / path).parent.mkdir()
        (folder / path).write_text(template(path))
    (folder / "rom.mem").write_text(mem_text(words.tolist(), width))
    (folder / "rtl/top.v").write_text(TOP.format(width=width, depth=depth, bits=bits))
    script = [
        "read_verilog -defer rtl/hwgen_rom_distributed.v", "read_verilog -defer rtl/top.v",
        f"read_verilog -lib {ROM_LUTS}", "hierarchy -top top", TOOLS[tool].script("top"),
        "write_json top.json",
    ]  # fmt: skip
    run_yosys("\n".join(script), folder, timeout=100)
    return Netlist.read(folder / "top.json", "top")


@pytest.mark.parametrize(
    ("tool", "depth", "luts"),
    [  # of one bit of output
        ("yosys-xc7", 64, 1), ("yosys-xc7", 21, 1), ("yosys-xc7", 200, 4),
        ("yosys-xc7-area", 64, 1), ("yosys-ecp5", 64, 4), ("yosys-ecp5", 200, 17),
        ("yosys-ice40", 16, 1), ("yosys-ice40", 37, 5),
    ],
)  # fmt: skip
def test_a_rom_takes_the_luts_it_must_and_reads_its_words(tmp_path, tool, depth, luts):
    width = 11
    words = np.random.default_rng(depth).integers(0, 1 << width, depth) & ~2  # bit 1 takes none
    netlist = mapped(tmp_path, tool, words, width)
    address = np.arange(depth)[:, None] >> np.arange((depth - 1).bit_length()) & 1
    got = netlist.evaluate({"addr": address, "en": np.ones((depth, 1), int)})["data"]
    np.testing.assert_array_equal(got @ (1 << np.arange(width)), words)
    assert 0 < Usage.of(netlist.cells).lut <= (width - 1) * luts
