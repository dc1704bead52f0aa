"""Channels of several tensors side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np

from hwgen.ir.op import Op
from hwgen.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """The channels of two or more inputs with equal pixels, one input's after another's."""

    def infer(self, *x: TensorType) -> TensorType:
        if len(x) < 2 or len({x0.shape[:-1] for x0 in x}) != 1:
            raise ValueError(f"wants inputs with equal pixels, not {[x0.shape for x0 in x]}")
        shape = (*x[0].shape[:-1], sum(x0.channels for x0 in x))
        return TensorType(shape, reduce(or_, [x0.range for x0 in x]))

    def reference(self, *x: np.ndarray) -> np.ndarray:
        return np.concatenate(x, axis=-1)
