"""No text of a model gets into a name of ours except through the allow-list."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.names import MAX_LENGTH, RESERVED, Namer, file_name, identifier

SAFE = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
# Every code point, lone surrogates included: file names and protobuf strings may hold them.
ANY = st.text(st.characters(), max_size=80)
AWKWARD = st.sampled_from([
    "", "_", "module", "Module", "clk", "top", "tb", "con", "hwgen_rom_block", "a.b", "a_b", "A_B",
    "a-b", "7", "$(reboot)", "a;b", "a\nb", "a\0b", "\u202etxt", "*/", "../../etc/passwd", "ﬁ",
    "K", "İ", "x" * 39 + "_y", "x" * 34 + "_yyyyyyy", "/* synopsys */", "`include", "\\esc ",
])  # fmt: skip


@given(ANY | AWKWARD)
def test_identifiers_are_safe(name: str) -> None:
    found = identifier(name)
    assert SAFE.fullmatch(found)
    assert 1 <= len(found) <= MAX_LENGTH
    assert found not in RESERVED
    assert not found.startswith("hwgen")
    assert "__" not in found and not found.endswith("_"), "streams and ports use __ themselves"
    assert identifier(found) == found


@given(st.lists(ANY | AWKWARD, max_size=40))
def test_a_scope_has_distinct_identifiers(names: list[str]) -> None:
    namer, again = Namer(), Namer()
    found = [namer(name) for name in names]
    assert len(set(found)) == len(found)
    assert found == [again(name) for name in names]
    assert all(identifier(name) == name for name in found)


def test_many_of_one_name() -> None:
    namer = Namer()
    for name in ("x" * 34 + "_yyyyy", "a.b", "a_b", "module"):
        found = [namer(name) for _ in range(12_000)]
        assert len(set(found)) == len(found)
        assert all(len(f) <= MAX_LENGTH and identifier(f) == f for f in found[::97] + found[-3:])


@given(ANY | AWKWARD | st.sampled_from(["..", ".", "-rf", ".hidden", "x" * 300]))
def test_file_names_are_one_plain_step(name: str) -> None:
    found = file_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", found, re.ASCII)
    assert len(found) <= 64


def test_names_stay_readable() -> None:
    assert identifier("/layers.0/Conv") == "layers_0_conv"
    assert identifier("3x3") == "n_3x3"
    assert identifier("module").startswith("module_")
    assert file_name("MobileNet-v1.0") == "MobileNet-v1.0"
    assert identifier("hwgen_rom_block") == "n_hwgen_rom_block"
