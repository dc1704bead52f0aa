"""yosys makes of every multiplication one DSP, and packs what the layout counts on."""

import numpy as np
import pytest
from amaranth.back import rtlil

from bench.dsps import FLOWS, PackedSums
from hwgen.core.intrange import IntRange
from hwgen.emit.yosys import run_yosys
from hwgen.hw.dsp_layout import PORTS

CELLS = {"dsp48e1": "DSP48E1", "dsp48e2": "DSP48E2", "mult18x18": "MULT18X18D"}


def map_dsps(port, circuit, folder, *checks):
    """Synthesise up to the DSPs; each check is a selection of cells and how many it must hold."""
    (folder / "top.il").write_text(rtlil.convert(circuit, name="top", emit_src=False))
    end = "map_ram" if port == "mult18x18" else "coarse"
    script = ["read_rtlil top.il", f"{FLOWS[port].synth} -top top -run begin:{end}"]
    script += [f"select -assert-count {count} {cells}" for cells, count in checks]
    run_yosys("\n".join(script), folder, timeout=300)


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(("w_bits", "x_bits"), [(2, 2), (2, 4), (4, 4), (8, 8)])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned_x", "signed_x"])
def test_as_many_dsps_as_claimed(port, w_bits, x_bits, signed, tmp_path):
    weight = np.arange(1 << w_bits) - (1 << (w_bits - 1))
    x_range = IntRange.of_bits(x_bits, signed=signed)
    circuit = PackedSums(PORTS[port], weight, x_range, pe=5, simd=5)
    dsps, cells = circuit.unit.dsps, f"t:{CELLS[port]}"
    chains = [chain for lanes in circuit.unit.groups for chain in circuit.unit.chains(lanes)]
    checks = [(cells, dsps), ("t:$mul", 0)]
    if PORTS[port].post_adder:
        checks += [(f"{cells} r:MREG=1'1 %i", dsps), (f"{cells} r:PREG=1'1 %i", len(chains))]
    map_dsps(port, circuit, tmp_path, *checks)
