"""From a float model and calibration data to a quantized model, without training."""

from hwgen.quantize.ptq import quantize

__all__ = ["quantize"]
