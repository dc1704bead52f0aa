"""What tensors hold, told by BatchNormalization alone: no data is needed.

Nagel et al., Data-free quantization through weight equalization and bias correction, ICCV 2019: the
output of a BatchNormalization is taken for a Gauss distribution of mean beta and deviation |gamma|
in each channel, cut off at 6 deviations, and rectified where a ReLU follows.
"""

from __future__ import annotations

import math

import numpy as np

from hwgen.core.errors import fail
from hwgen.frontends.float_net import FloatNet
from hwgen.quantize.statistics import Distribution

REACH = 6.0
POINTS = 241  # of each channel, evenly over 12 deviations
SAME = frozenset({"Identity", "Dropout", "Reshape", "Flatten", "Transpose", "MaxPool"})


def assumed(net: FloatNet, tensor: str, input_range: tuple[float, float]) -> Distribution:
    """The distribution of ``tensor``; model inputs are even over ``input_range``.

    Raises HW112 where neither an input nor a BatchNormalization stands behind the tensor.
    """
    rectified = False
    while tensor not in net.inputs:
        node = net.maker(tensor)
        if node is not None and node.op_type == "BatchNormalization":
            gamma, beta = (net.arrays[name].astype(np.float64) for name in node.input[1:3])
            z = np.linspace(-REACH, REACH, POINTS)
            values = (beta[:, None] + np.abs(gamma)[:, None] * z).ravel()
            weights = np.tile(np.exp(-np.square(z) / 2) / math.sqrt(2 * math.pi), len(gamma))
            return Distribution(np.maximum(values, 0) if rectified else values, weights)
        if node is None or node.op_type not in SAME | {"Relu"}:
            fail("HW112", where=f"{net.name}: tensor `{tensor}`",
                 why="no BatchNormalization says what it holds",
                 help="give calibration frames")  # fmt: skip
        rectified = rectified or node.op_type == "Relu"
        tensor = node.input[0]
    lo, hi = input_range
    return Distribution.of(np.linspace(lo, hi, POINTS))
