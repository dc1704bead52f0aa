"""What an operator of the integer graph must say about itself."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from hwgen.ir.types import TensorType


def frozen_array(values: Any) -> np.ndarray:
    """``values`` as a read-only int64 array, so that operators can be shared and compared."""
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array


class Op(ABC):
    """An integer operator: a frozen dataclass whose fields are ints, tuples and int64 arrays.

    Subclasses register themselves under their class name. ``infer`` and ``reference`` are the
    meaning; how it becomes hardware is the business of the lowerings beside it.
    """

    registry: ClassVar[dict[str, type[Op]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Op.registry[cls.__name__] = cls

    @abstractmethod
    def infer(self, *x: TensorType) -> TensorType:
        """The type of the output. Raises ValueError where the inputs do not fit."""

    @abstractmethod
    def reference(self, *x: np.ndarray) -> np.ndarray:
        """The output for a batch: int64 ``(N, *shape)`` in, the same out. NumPy only."""

    def macs(self, *x: TensorType) -> int:
        """Multiply-accumulates per frame."""
        return 0

    def fields(self) -> dict[str, Any]:
        """The dataclass fields by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return False
        mine, theirs = self.fields(), other.fields()  # type: ignore[union-attr]
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    def __hash__(self) -> int:
        def key(value: Any) -> Any:
            return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value

        return hash((type(self), tuple(key(value) for value in self.fields().values())))
