"""The integer graph: which integers come out, with no notion of hardware or time."""

from hwgen.ir.chain import Chain, Step
from hwgen.ir.execute import execute
from hwgen.ir.graph import Graph, GraphBuilder, Node, Port, Value
from hwgen.ir.op import Op
from hwgen.ir.types import TensorType
from hwgen.ir.verify import verify

__all__ = [
    "Chain", "Graph", "GraphBuilder", "Node", "Op", "Port", "Step", "TensorType", "Value",
    "execute", "verify",
]  # fmt: skip
