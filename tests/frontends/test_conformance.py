"""ONNX's own node tests of quantized operators: every integer, or the reason why not."""

from __future__ import annotations

import pytest

from tests.frontends.conformance import OPERATORS, Case, cases, verdict

NO_INTEGERS = ("e4m3fn", "e5m2", "float4e2m1")  # types that are floating-point themselves


def test_every_operator_has_tests() -> None:
    assert {case.node.op_type for case in cases()} == set(OPERATORS)
    assert len(cases()) >= 39


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_node(case: Case) -> None:
    found = {verdict(case, form) for form in case.forms()}
    if any(kind in case.name for kind in NO_INTEGERS):
        assert all(v.startswith("HW202: it quantizes to float") for v in found), found
    elif case.name.endswith("float16"):
        assert found == {"HW202: its scale is float16"}
    else:
        assert found == {"equal"}
