"""The integer types of a model's tensors."""

from __future__ import annotations

import re

from hwgen.core.intrange import IntRange


def codes_of_type(name: str) -> IntRange | None:
    """The range of an integer type by NumPy's name of it: ``int4``, ``uint16``; None for others."""
    found = re.fullmatch(r"(u?)int(\d+)", name)
    return IntRange.of_bits(int(found[2]), signed=not found[1]) if found else None


def stored(dtype: str) -> str:
    """The NumPy type in which arrays of an integer type are kept: at least a byte wide."""
    return re.sub(r"int[24]$", "int8", dtype)
