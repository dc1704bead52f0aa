"""All inputs of small circuits, as python -m bench.proofs does for every pair of widths."""

import numpy as np
import pytest

from bench import proofs
from bench.arithmetic import map_circuit
from bench.exhaust import Code, counter, counterexample, digits


def test_dot_products_of_ternary_and_bipolar_weights():
    result = proofs.dot(1, 2, budget=8)
    assert result.circuits == 8 and not result.wrong
    assert result.inputs == 2 * (3 * 2 ** (2 * 3) + 2 ** (2 * 4))  # two lanes each


@pytest.mark.parametrize("kind", [proofs.matrix, proofs.thresholds])
def test_matrices_and_thresholds(kind):
    result = kind(3, 4, 8)
    assert result.circuits >= 4 and not result.wrong


def test_one_wrong_entry_of_one_lut_is_found(monkeypatch):
    def spoiled(*args):
        netlist = map_circuit(*args)
        lut = netlist.luts[len(netlist.luts) // 2]
        netlist.luts[len(netlist.luts) // 2] = type(lut)(lut.inputs, lut.init ^ 1, lut.output)
        return netlist

    monkeypatch.setattr(proofs, "map_circuit", spoiled)
    assert len(proofs.dot(2, 2, budget=8).wrong) == 1


@pytest.mark.parametrize(("a_signed", "b_signed"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_specification_multiplies(a_signed, b_signed, tmp_path):
    """Against NumPy's products, as a LUT per bit of the result: all 2^9 operands."""
    code, count = Code(), np.arange(512)
    bits = counter(code, 9)
    a, b = count & 15, count >> 4
    a, b = a - (a >> 3 << 4) * a_signed, b - (b >> 4 << 5) * b_signed
    got = code.times(bits[:4], bool(a_signed), bits[4:] + ["zero"] * (not b_signed), 9)
    tables = [sum(int(v >> k & 1) << n for n, v in enumerate(a * b)) for k in range(9)]
    wanted = [code.lut(bits, table) for table in tables]
    assert counterexample(code, got, wanted, 9, tmp_path) is None
    wrong = code.lut(bits, tables[0] ^ 1 << 301)
    assert counterexample(code, got, [wrong, *wanted[1:]], 9, tmp_path) == 301
    assert digits(-3, 4) == ["ones", "zero", "ones", "ones"]
