"""One node of the source as its handler sees it, and the table of handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hwgen.core.errors import HwgenError, Problem
from hwgen.frontends.lifted import Constant, Lifted, Tensor

if TYPE_CHECKING:
    from hwgen.frontends.lifter import Lifter


@dataclass(frozen=True, eq=False)
class Call:
    """One node of the source with its inputs resolved. ``op`` is the ONNX operator."""

    op: str
    name: str
    where: str
    inputs: tuple[Tensor | None, ...]
    attrs: dict[str, Any]
    opset: int
    needed: tuple[bool, ...] = (True,)

    def error(self, why: str, help: str = "", code: str = "HW202") -> HwgenError:  # noqa: A002
        """What to raise where this node cannot be lifted."""
        return HwgenError(Problem(code, self.where, why, help))

    def get(self, i: int) -> Tensor | None:
        return self.inputs[i] if i < len(self.inputs) else None

    def constant(self, i: int, what: str) -> np.ndarray:
        """Input ``i`` as an array; a tensor that depends on the model's input is refused."""
        x = self.get(i)
        if not isinstance(x, Constant):
            raise self.error(f"its {what} must be a constant")
        return x.array

    def weight(self, i: int) -> Constant:
        """Input ``i`` as a constant with what is known of its codes."""
        x = self.get(i)
        if not isinstance(x, Constant):
            raise self.error(f"its input {i} must be a constant")
        return x

    def lifted(self, i: int = 0, *, integer: bool = False) -> Lifted:
        """Input ``i`` as a tensor of real numbers, or where ``integer`` allows it, of others."""
        x = self.get(i)
        if not isinstance(x, Lifted):
            raise self.error(f"its input {i} must depend on the model's input")
        if x.dtype != "float32" and not integer:
            raise self.error(f"its input is {x.dtype}", "cast it to float32 first")
        return x


Handler = Callable[["Lifter", Call], "Tensor | tuple[Tensor | None, ...]"]
HANDLERS: dict[str, Handler] = {}
PATIENT: set[str] = set()  # operators that leave a sum waiting for its quantizer as it is


def handles(*ops: str, patient: bool = False) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of ONNX operators.

    To a ``patient`` one a Joint may be given; others meet integer edges only.
    """

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(ops, handler))
        if patient:
            PATIENT.update(ops)
        return handler

    return register
