"""From a float model and calibration data to a quantized model, without training."""

from hwgen.quantize.options import Options
from hwgen.quantize.pipeline import post_training, quantized
from hwgen.quantize.ptq import Session, quantize
from hwgen.quantize.sqnr import Report

__all__ = ["Options", "Report", "Session", "post_training", "quantize", "quantized"]
