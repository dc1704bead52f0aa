"""From a float model and calibration data to a quantized model, without training."""

from hwgen.quantize.command import command, post_training
from hwgen.quantize.options import Options
from hwgen.quantize.ptq import Session, quantize
from hwgen.quantize.sqnr import Report

__all__ = ["Options", "Report", "Session", "command", "post_training", "quantize"]
