"""Quantization-aware training in PyTorch, whose export hwgen reads with the integer codes exact.

Needs the extra ``train``. Nothing outside this package imports torch.

* :mod:`quantizers`: weight parametrizations and activation modules
* :mod:`sat`, :mod:`qgt`, :mod:`sparsify`, :mod:`prune`, :mod:`switchable`, :mod:`a2q`: the methods
* :mod:`export`: to QONNX
* :mod:`recipes`: networks with their data, trained by name
"""

from hwgen.core.errors import fail

try:
    import torch  # noqa: F401
except ImportError:
    fail("HW601", where="hwgen.training", why="PyTorch is not installed",
         help="pip install 'hwgen[train]', or 'make test-train' in a checkout")  # fmt: skip
