"""Words of a command line to options."""

from __future__ import annotations

import argparse
import re
from typing import Any

from hwgen.core.errors import did_you_mean, fail


class Parser(argparse.ArgumentParser):
    """Errors have the form of all others; an option has one name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> Any:
        word = next((m[0] for m in re.finditer(r"--[\w-]+|(?<=')[\w-]+(?=')", message)), "")
        near = did_you_mean(word, self._words())
        fail("HW110", where=self.prog, why=message, help=f"{near}{self.prog} --help lists all")

    def _words(self) -> set[str]:
        """Every command and option, those of the commands included."""
        words = set(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                words.update(action.choices, *(sub._words() for sub in action.choices.values()))
        return words
