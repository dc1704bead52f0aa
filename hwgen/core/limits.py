"""What a model file may cost before it is refused. Every limit is a flag of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from hwgen.core.errors import Diagnostics, fail


def _limit(default: int, what: str) -> int:
    return field(default=default, metadata={"what": what})


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds on one model; :func:`meaning` says what each one bounds.

    The field ``nodes`` is the flag ``--max-nodes``, and so on. Functions and subgraphs need no
    bound, since models that hold any are refused. Raises HwgenError HW110 unless all are positive.
    """

    bytes: int = _limit(512 << 20, "bytes of the file and of its external data")
    nodes: int = _limit(20_000, "nodes of the graph")
    elements: int = _limit(1 << 26, "numbers in all constants together")
    folded: int = _limit(1 << 22, "numbers that folding makes out of constants, in all")
    tensor: int = _limit(1 << 22, "numbers in any one tensor of a frame")
    frame: int = _limit(3 << 24, "numbers in all tensors of a frame together")
    rank: int = _limit(16, "dimensions of a tensor")
    name: int = _limit(4096, "bytes of any name")
    attribute: int = _limit(1 << 20, "bytes or numbers of an attribute that is no tensor")
    table: int = _limit(1 << 12, "thresholds in a row of a quantizer's table")
    steps: int = _limit(1 << 7, "elementwise operators between two quantizers")
    nesting: int = _limit(32, "sums and products of functions of one tensor, one within another")
    links: int = _limit(1 << 10, "inputs of all stages of hardware together")
    work: int = _limit(1 << 33, "products, sums and comparisons of a layer in a frame")
    memory: int = _limit(4096, "MiB of memory that importing may take")
    seconds: int = _limit(60, "seconds that importing may take")

    def __post_init__(self) -> None:
        problems = Diagnostics()
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not 1 <= value < 1 << 40:
                problems.add("HW110", where=flag(limit.name), why=f"must be 1 to 2^40, not {value}",
                             help="leave it out for the default")  # fmt: skip
        problems.raise_if_any()

    def check(self, what: str, amount: int, *, where: str, of: str = "") -> None:
        """Raise HW106 if ``amount`` of ``what`` (a field's name) exceeds its bound.

        ``of`` says in words what was counted, where the field's own words are too general.
        """
        if amount > getattr(self, what):
            self.exceeded(what, f"{amount} {of or meaning(what)}", where=where)

    def exceeded(self, what: str, why: str, *, where: str) -> None:
        """Raise HW106 for the limit ``what``."""
        fail("HW106", where=where, why=f"{why}; the limit is {getattr(self, what)}",
             help=f"if you trust the file, raise the limit with {flag(what)}")  # fmt: skip


def flag(limit: str) -> str:
    """The option of the command line that sets a limit."""
    return f"--max-{limit}"


def meaning(limit: str) -> str:
    """In words, what a limit bounds."""
    (found,) = (f.metadata["what"] for f in fields(Limits) if f.name == limit)
    return found


DEFAULT = Limits()
