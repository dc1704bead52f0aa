"""From an ONNX file to the integer graph, and the source model's own arithmetic beside it."""

from hwgen.frontends.importer import lift, widths
from hwgen.frontends.limits import Limits
from hwgen.frontends.oracle import run_source
from hwgen.frontends.read import Source, quantize_input, read_model, source_of

__all__ = [
    "Limits", "Source", "lift", "quantize_input", "read_model", "run_source", "source_of", "widths",
]  # fmt: skip
