"""The one stream type between components: some lanes of integers per beat.

Rules of transfer (checked by :mod:`tests.hw.harness` and, on the Verilog, by ``sim/tb.v``):

1. A beat moves in a cycle in which ``valid`` and ``ready`` are both high.
2. Once ``valid`` is high it stays high, and ``payload`` stays the same, until the beat moves.
3. ``valid`` never waits for ``ready``.
4. ``ready`` may do as it likes, and may depend on ``valid``.

Elements travel in the order of ``ndarray.ravel()`` of a channels-last frame; lane 0 first.
"""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, stream

from hwgen.core.intrange import IntRange


def element(range_: IntRange) -> Shape:
    """The hardware shape of one integer of a range."""
    return signed(range_.width) if range_.signed else unsigned(range_.width)


def words(lanes: int, range_: IntRange) -> stream.Signature:
    """The signature of a stream of ``lanes`` integers per beat."""
    if lanes < 1:
        raise ValueError(f"lanes must be at least 1, not {lanes}")
    return stream.Signature(data.ArrayLayout(element(range_), lanes))
