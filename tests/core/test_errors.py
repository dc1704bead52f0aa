"""Problems: complete, printed in one form, safe for a terminal, raised together."""

from __future__ import annotations

import re

import pytest

from hwgen.core.codes import CODES
from hwgen.core.errors import Diagnostics, HwgenError, Problem, did_you_mean, fail, printable

EXITS = {0, 1, 2, 3, 4, 5, 6, 70, 130}


def test_the_table_is_sound() -> None:
    assert list(CODES) == sorted(CODES)
    for code, entry in CODES.items():
        assert re.fullmatch(r"HW[1-69]\d\d", code)
        assert entry.exit in EXITS - {0, 130}
        assert entry.title == entry.title.strip(" .") and entry.title
        assert entry.explanation.endswith(".")
    titles = [entry.title for entry in CODES.values()]
    assert len(set(titles)) == len(titles)


def test_one_form() -> None:
    problem = Problem("HW201", "net: node `a`", "no handler", "replace it", ("twice", "thrice"))
    assert str(problem).splitlines() == [
        "error[HW201]: operator is not supported",
        "  --> net: node `a`",
        "   = why: no handler",
        "   = help: replace it",
        "   = note: twice",
        "   = note: thrice",
    ]
    assert problem.as_dict() == {
        "code": "HW201", "title": "operator is not supported", "where": "net: node `a`",
        "why": "no handler", "help": "replace it", "notes": ["twice", "thrice"],
    }  # fmt: skip


def test_there_is_always_a_next_step() -> None:
    assert Problem("HW201", "x", "y").help == "`hwgen explain HW201` tells more"


def test_codes_must_be_known() -> None:
    with pytest.raises(ValueError, match="HW999"):
        Problem("HW999")
    with pytest.raises(ValueError, match="at least one"):
        HwgenError()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 中", "plain é 中"),
        ("a\x1b[31mb\n\tc\x00", "a\\x1b[31mb\\n\\tc\\x00"),
        ("\u202eabc\u200b", "\\u202eabc\\u200b"),
        ("\udcff", "\\udcff"),
        ("x" * 500, "x" * 397 + "..."),
    ],
)
def test_text_is_safe_for_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    line = str(Problem("HW101", where=text)).splitlines()[1]
    assert line == f"  --> {shown}"


def test_the_gravest_kind_decides_the_exit_code() -> None:
    unsupported, malformed, tool = Problem("HW201"), Problem("HW103"), Problem("HW601")
    assert HwgenError(unsupported).exit_code == 4
    assert HwgenError(unsupported, malformed).exit_code == 3
    assert HwgenError(tool, unsupported).exit_code == 5


def test_fail_raises_one_problem() -> None:
    with pytest.raises(HwgenError, match="HW110") as caught:
        fail("HW110", where="--x", why="no", notes=iter(["a"]))
    (problem,) = caught.value.problems
    assert problem == Problem("HW110", "--x", "no", notes=("a",))


def test_problems_are_collected_once() -> None:
    found = Diagnostics()
    found.raise_if_any()
    found.add("HW110", where="a")
    found.add("HW110", where="b")
    found.add("HW110", where="a")
    found.collect(HwgenError(Problem("HW110", "b"), Problem("HW111", "c")))
    with pytest.raises(HwgenError) as caught:
        found.raise_if_any()
    assert [p.where for p in caught.value.problems] == ["a", "b", "c"]
    assert str(caught.value).count("error[") == 3


def test_near_words_are_offered() -> None:
    assert did_you_mean("qlinaer1", ["qlinear1", "quant4"]) == "did you mean qlinear1? "
    assert did_you_mean("zzz", ["qlinear1"]) == ""
    assert did_you_mean("same", ["same"]) == ""
