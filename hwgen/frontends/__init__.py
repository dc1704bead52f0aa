"""From an ONNX file to the integer graph, and the source model's own arithmetic beside it."""

from hwgen.core.limits import Limits
from hwgen.frontends.importer import lift, widths
from hwgen.frontends.oracle import first_frame, run_source
from hwgen.frontends.read import (
    Source,
    quantize_input,
    read_model,
    source_of,
    source_of_bytes,
)

__all__ = [
    "Limits", "Source", "first_frame", "lift", "quantize_input", "read_model", "run_source",
    "source_of", "source_of_bytes", "widths",
]  # fmt: skip
