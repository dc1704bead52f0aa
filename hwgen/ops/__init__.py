"""The catalogue of operators: one file each, semantics first, then how it becomes hardware."""

from hwgen.ops.conv import Conv
from hwgen.ops.matmul import MatMul
from hwgen.ops.maxpool import MaxPool
from hwgen.ops.reshape import Reshape
from hwgen.ops.threshold import Threshold
from hwgen.ops.topk import TopK
from hwgen.ops.transpose import Transpose

__all__ = ["Conv", "MatMul", "MaxPool", "Reshape", "Threshold", "TopK", "Transpose"]
