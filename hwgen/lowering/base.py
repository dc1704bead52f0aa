"""How an operator becomes hardware: foldings, their cost, and the component for one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.lowering.actor import Actor

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component


@dataclass(frozen=True, order=True, slots=True)
class Folding:
    """How much hardware a stage gets: ``pe`` outputs and ``simd`` inputs at a time."""

    pe: int = 1
    simd: int = 1

    def __str__(self) -> str:
        return f"PE={self.pe} SIMD={self.simd}"


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated resources, and exact cycles, of a stage.

    ``interval``: cycles per frame in steady state when no neighbour ever stalls it.
    ``latency``: cycles from a frame's first input transfer to its last output transfer.
    """

    lut: int
    ff: int
    bram: float  # blocks of 36 Kibit
    dsp: int
    interval: int
    latency: int


class Lowering(ABC):
    """One way to build one operator. Subclasses name their operator and register themselves."""

    op: ClassVar[type[Op]]
    name: str
    # Whether it takes a beat in every cycle and its ready follows that of its output through a gate.
    unrolled: ClassVar[bool] = False
    registry: ClassVar[dict[type[Op], list[Lowering]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "op" in cls.__dict__:  # a base of several lowerings names none
            Lowering.registry.setdefault(cls.op, []).append(cls())

    @classmethod
    def of(cls, op: Op) -> list[Lowering]:
        """The lowerings of an operator, best first."""
        return cls.registry.get(type(op), [])

    def in_dsps(self, port: str) -> Iterable[Lowering]:
        """Variants of this way that multiply in DSPs of that kind
        (:data:`hwgen.hw.dsp_layout.PORTS`)."""
        return ()

    def applies(self, op: Any, *x: TensorType) -> bool:
        """Whether this way exists for these inputs."""
        return True

    @abstractmethod
    def foldings(self, op: Any, *x: TensorType) -> Iterator[Folding]:
        """Every legal folding, from least to most hardware."""

    @abstractmethod
    def lanes(self, op: Any, folding: Folding, *x: TensorType) -> tuple[tuple[int, ...], int]:
        """Lanes of each input stream, and of the output stream."""

    @abstractmethod
    def cost(self, op: Any, folding: Folding, *x: TensorType) -> Cost: ...

    @abstractmethod
    def actor(self, op: Any, folding: Folding, *x: TensorType) -> Actor:
        """When the stage takes and gives its beats."""

    @abstractmethod
    def build(self, op: Any, folding: Folding, *x: TensorType) -> Component:
        """The component: ports ``i`` (or ``i0``, ``i1`` ...) and ``o`` of the stated lanes."""


def divisors(n: int) -> list[int]:
    """The positive divisors of ``n``, rising."""
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return small + [n // d for d in reversed(small) if d * d != n]
