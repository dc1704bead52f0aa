"""What a model file may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.core.errors import fail


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds on one model.

    ``file_bytes``: size of the file; ``nodes``: operators in the graph; ``elements``: numbers in
    all constants together, and in any one tensor that folding makes.
    """

    file_bytes: int = 512 << 20
    nodes: int = 20_000
    elements: int = 1 << 28

    def check(self, what: str, amount: int, *, where: str) -> None:
        """Raise HW106 if ``amount`` of ``what`` (a field's name) exceeds its bound."""
        bound = getattr(self, what)
        if amount > bound:
            name = what.replace("_", " ")
            fail(
                "HW106",
                where=where,
                why=f"{amount} {name}, the limit is {bound}",
                help="raise the limit if you trust the file",
            )


DEFAULT = Limits()
