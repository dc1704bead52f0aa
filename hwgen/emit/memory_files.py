"""Memory files as ``$readmemh`` reads them: a hexadecimal word per line, lowest address first."""

from __future__ import annotations

from collections.abc import Sequence


def mem_text(words: Sequence[int], width: int) -> str:
    """The text of a ``.mem`` file; every word has the digits of ``width`` bits."""
    digits = -(-width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)


def parse_mem(text: str) -> list[int]:
    """The words of a ``.mem`` file written by :func:`mem_text`."""
    return [int(line, 16) for line in text.split()]
