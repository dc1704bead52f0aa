"""The quantized model while it is made: run up to one tensor after another, each node once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwgen.frontends import first_frame, run_source
from hwgen.frontends.annotate import Quantizer, insert_quantizers
from hwgen.frontends.float_net import FloatNet


class Running:
    """What ``net`` computes of ``frames`` with ``quantizers`` on its activations.

    Weights and biases are read when :meth:`reach` first passes their layer, and must be final by
    then. What a later node reads is kept for all frames, and let go behind the last that does.
    """

    def __init__(self, net: FloatNet, quantizers: Mapping[str, Quantizer],
                 frames: Mapping[str, np.ndarray]) -> None:  # fmt: skip
        self.net, self.quantizers = net, quantizers
        self._known = dict(frames)
        self._done: set[int] = set()
        # What has no batch axis, or is no input that models have, is made anew where it is needed.
        self._kept = {
            name for name, x in first_frame(net.source(), frames).items()
            if x.ndim > 1 and len(x) == 1 and x.dtype in (np.float32, np.int8, np.uint8)
        }  # fmt: skip

    def reach(self, tensor: str) -> np.ndarray:
        """``tensor`` ahead of its quantizer, ``(N, *frame)``."""
        if tensor in self._known:
            return self._known[tensor]
        nodes = self._behind(tensor)
        self._done.update(id(n) for n in nodes if all(y in self._kept for y in n.output if y))
        left = {x for node in self.net.nodes if id(node) not in self._done for x in node.input}
        wanted = [y for n in nodes for y in n.output if y in self._kept and y in left]
        wanted = list(dict.fromkeys([*wanted, tensor]))
        given = {x: self._known[x] for n in nodes for x in n.input if x in self._known}
        inside = {*given, *(y for n in nodes for y in n.output)}
        part = insert_quantizers(self.net.part(nodes, given, wanted),
                                 {t: q for t, q in self.quantizers.items() if t in inside})  # fmt: skip
        found = run_source(part, given, wanted)
        known = self._known | {name: x for name, x in found.items() if name in self._kept}
        self._known = {name: x for name, x in known.items() if name in left}
        return found[tensor]

    def _behind(self, tensor: str) -> list:
        """The nodes between what is known and ``tensor``, in order."""
        needed, found = {tensor}, []
        for node in reversed(self.net.nodes):
            if needed.intersection(node.output):
                found.append(node)
                needed.update(name for name in node.input if name not in self._known)
        return found[::-1]
