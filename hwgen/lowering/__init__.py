"""What a lowering is; knows no particular operator."""

from hwgen.lowering.base import Cost, Folding, Lowering, divisors

__all__ = ["Cost", "Folding", "Lowering", "divisors"]
