"""The catalogue of operators: one file each, semantics first, then how it becomes hardware."""

from hwgen.ops.add import Add
from hwgen.ops.concat import Concat
from hwgen.ops.conv import Conv
from hwgen.ops.depthwise import DepthwiseConv
from hwgen.ops.interleave import Interleave
from hwgen.ops.lookup import Lookup
from hwgen.ops.matmul import MatMul
from hwgen.ops.maxpool import MaxPool
from hwgen.ops.mul import Mul
from hwgen.ops.pad import Pad
from hwgen.ops.rearrange import DepthToSpace, SpaceToDepth
from hwgen.ops.reshape import Reshape
from hwgen.ops.slice import Slice
from hwgen.ops.sumpool import SumPool
from hwgen.ops.threshold import Threshold
from hwgen.ops.topk import TopK
from hwgen.ops.transpose import Transpose
from hwgen.ops.upsample import Upsample

__all__ = [
    "Add", "Concat", "Conv", "DepthToSpace", "DepthwiseConv", "Interleave", "Lookup", "MatMul",
    "MaxPool", "Mul", "Pad", "Reshape", "Slice", "SpaceToDepth", "SumPool", "Threshold", "TopK",
    "Transpose", "Upsample",
]  # fmt: skip
