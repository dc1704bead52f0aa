"""Components in a row: the output stream of each feeds the next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from amaranth import Module
from amaranth.lib.wiring import Component, connect, flipped


class Pipeline(Component):
    """Stream components chained ``o`` to ``i``; each becomes a submodule under its name.

    Members
    -------
    i : the first component's ``i``.    o : the last component's ``o``.
    """

    def __init__(self, stages: Mapping[str, Component]):
        if not stages:
            raise ValueError("a pipeline needs at least one component")
        self.stages = dict(stages)
        parts = list(self.stages.values())
        super().__init__(
            {"i": parts[0].signature.members["i"], "o": parts[-1].signature.members["o"]}
        )

    def elaborate(self, platform):
        m = Module()
        for name, part in self.stages.items():
            m.submodules[name] = part
        parts = list(self.stages.values())
        for source, sink in pairwise(parts):
            connect(m, source.o, sink.i)
        connect(m, flipped(self.i), parts[0].i)
        connect(m, parts[-1].o, flipped(self.o))
        return m
