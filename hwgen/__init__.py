"""From a quantized ONNX model to proven Verilog.

>>> import hwgen
>>> built = hwgen.build("model.onnx", out="build/model")   # doctest: +SKIP
>>> hwgen.simulate(built.folder)["verdict"]                # doctest: +SKIP
'equal'
"""

from hwgen.core.errors import HwgenError

__version__ = "0.1.0"
__all__ = ["HwgenError", "build", "inspect", "load", "run", "simulate", "synthesize"]


def __getattr__(name: str):
    """The functions of :mod:`hwgen.api`, imported when first used: ``import hwgen`` is quick."""
    if name in __all__:
        from hwgen import api

        return getattr(api, name)
    raise AttributeError(f"module 'hwgen' has no attribute {name!r}")
