"""What elaboration for Verilog takes out of the netlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rom:
    """The content of one memory file: words of ``width`` bits, lowest address first."""

    words: Sequence[int]
    width: int
    name: str


@dataclass(slots=True)
class HwgenPlatform:
    """Passed to every ``elaborate``; collects ROMs in the order in which they are elaborated.

    A ROM is known by a key until the netlist is complete. Only then is its place in the
    hierarchy known, which names its file.
    """

    roms: dict[str, Rom] = field(default_factory=dict)

    def place_rom(self, words: Sequence[int], width: int, name: str) -> str:
        """Take a ROM; returns the key that stands for its file name in the netlist."""
        key = f"rom:{len(self.roms)}"
        self.roms[key] = Rom(words, width, name)
        return key
