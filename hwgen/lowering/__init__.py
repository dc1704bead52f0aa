"""What a lowering is; knows no particular operator."""

from hwgen.lowering.actor import Actor, Blocks, Gated, Rigid, Windowed, mac_actor, streaming
from hwgen.lowering.base import Cost, Folding, Lowering, divisors
from hwgen.lowering.macs import DSPS

__all__ = [
    "DSPS", "Actor", "Blocks", "Cost", "Folding", "Gated", "Lowering", "Rigid", "Windowed", "divisors",
    "mac_actor", "streaming",
]  # fmt: skip
