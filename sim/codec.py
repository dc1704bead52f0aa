"""Frames of integers as lines of hexadecimal beats, and back. NumPy only, whole arrays at once."""

from __future__ import annotations

from typing import Any

import numpy as np

_HEX = np.frombuffer(b"".join(f"{i:02x}".encode() for i in range(256)), np.uint8).reshape(256, 2)
_NIBBLE = np.full(256, 255, np.uint8)
for _digit, _value in zip(b"0123456789abcdef", range(16), strict=True):
    _NIBBLE[_digit] = _value


def encode(frames: np.ndarray, port: dict[str, Any]) -> bytes:
    """``(N, *shape)`` integers as ``N * beats`` lines of ``tdata_bits / 4`` digits."""
    lanes, bits, size = port["lanes"], port["bits"], port["tdata_bits"] // 8
    values = np.asarray(frames, np.int64).reshape(-1, lanes)
    raw = ((values[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8).reshape(len(values), -1)
    data = np.zeros((len(values), size), np.uint8)
    packed = np.packbits(raw, axis=1, bitorder="little")
    data[:, : packed.shape[1]] = packed
    text = np.full((len(values), 2 * size + 1), ord("\n"), np.uint8)
    text[:, :-1] = _HEX[data[:, ::-1]].reshape(len(values), -1)
    return text.tobytes()


def decode(text: bytes, port: dict[str, Any]) -> np.ndarray:
    """Whole frames ``(N, *shape)`` int64 of such lines; a frame that is cut short is left out.

    Raises ValueError for a digit that is none, or for padding that is not zero.
    """
    lanes, bits = port["lanes"], port["bits"]
    width = port.get("tdata_bits", lanes * bits)
    digits = -(-width // 4)
    rows = len(text) // (digits + 1) // port["beats"] * port["beats"]
    chars = np.frombuffer(text[: rows * (digits + 1)], np.uint8).reshape(rows, digits + 1)
    nibbles = _NIBBLE[chars[:, -2::-1]]  # lowest first
    if (nibbles > 15).any():
        raise ValueError("a beat holds a digit that is not hexadecimal")
    raw = np.unpackbits(nibbles[:, :, None], axis=2, count=4, bitorder="little")
    raw = raw.reshape(rows, 4 * digits)
    if raw[:, lanes * bits :].any():
        raise ValueError("padding is not zero")
    planes = raw[:, : lanes * bits].reshape(rows, lanes, bits).astype(np.int64)
    values = (planes << np.arange(bits)).sum(axis=2)
    if port["lo"] < 0:
        values -= (values >> (bits - 1) & 1) << bits
    return values.reshape(-1, *port["shape"])


def first_difference(
    expected: np.ndarray, got: np.ndarray
) -> tuple[int, tuple[int, ...], int, int] | None:
    """Frame, position in it, expected and got integer of the first difference; None if equal."""
    count = min(len(expected), len(got))
    wrong = expected[:count] != got[:count]
    if not wrong.any():
        return None
    frame, *position = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
    at = (frame, *position)
    return frame, tuple(position), int(expected[at]), int(got[at])
