"""The one way to tell a user what went wrong: code, place, why, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn

from hwgen.core.codes import CODES


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``where`` names the place (file and node), ``why`` the reason, ``help`` the next step; without
    one it points to the long explanation.
    """

    code: str
    where: str = ""
    why: str = ""
    help: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown error code {self.code}")
        if not self.help:
            object.__setattr__(self, "help", f"`hwgen explain {self.code}` tells more")

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {CODES[self.code].title}"]
        if self.where:
            lines.append(f"  --> {printable(self.where)}")
        lines += [f"   = why: {printable(self.why)}"] if self.why else []
        lines += [f"   = help: {printable(self.help)}"] if self.help else []
        lines += [f"   = note: {printable(note)}" for note in self.notes]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code, "title": CODES[self.code].title, "where": self.where,
            "why": self.why, "help": self.help, "notes": list(self.notes),
        }  # fmt: skip


def printable(text: str, limit: int = 400) -> str:
    """``text`` fit for a terminal: control and direction characters escaped, length bounded."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe if len(safe) <= limit else f"{safe[: limit - 3]}..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"did you mean x? "`` for the nearest of what is known, empty where nothing is near."""
    words = list(known)
    near = get_close_matches(word, words, n=1) if word not in words else []
    return f"did you mean {near[0]}? " if near else ""


class HwgenError(Exception):
    """One or more problems that end a stage. Raised only for what a user can act on."""

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("an error needs at least one problem")
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    @property
    def exit_code(self) -> int:
        """The exit code of the gravest kind: a malformed model outweighs an unsupported one."""
        codes = [CODES[problem.code].exit for problem in self.problems]
        return 3 if 3 in codes else codes[0]


def fail(
    code: str, *, where: str = "", why: str = "", help: str = "", notes: Iterable[str] = ()
) -> NoReturn:
    """Raise a single problem."""
    raise HwgenError(Problem(code, where, why, help, tuple(notes)))


class Diagnostics:
    """Collects the problems of a stage, so that a user sees all of them at once."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def add(
        self,
        code: str,
        *,
        where: str = "",
        why: str = "",
        help: str = "",
        notes: Iterable[str] = (),
    ) -> None:
        self._problems[Problem(code, where, why, help, tuple(notes))] = None

    def collect(self, error: HwgenError) -> None:
        self._problems.update(dict.fromkeys(error.problems))

    def raise_if_any(self) -> None:
        if self._problems:
            raise HwgenError(*self._problems)
