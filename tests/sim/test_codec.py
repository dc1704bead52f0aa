"""Beats as text: against plain Python arithmetic."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.core.intrange import IntRange

sys.path.insert(0, str(Path(__file__).parents[2] / "sim"))
from codec import decode, encode, first_difference


@st.composite
def ports(draw):
    lo = draw(st.integers(-(1 << 30), 1 << 30))
    range_ = IntRange(lo, lo + draw(st.integers(0, 1 << 30)))
    lanes, beats = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    width = lanes * range_.width
    return {
        "lanes": lanes, "beats": beats, "shape": [beats, lanes], "lo": range_.lo, "hi": range_.hi,
        "bits": range_.width, "tdata_bits": -(-width // 8) * 8,
    }  # fmt: skip


@given(ports(), st.integers(1, 3), st.integers(0, 1 << 32))
def test_text_is_the_integers(port, count, seed):
    shape = (count, *port["shape"])
    frames = np.random.default_rng(seed).integers(port["lo"], port["hi"] + 1, shape)
    text = encode(frames, port)
    mask = (1 << port["bits"]) - 1
    words = [
        sum((int(v) & mask) << (i * port["bits"]) for i, v in enumerate(beat))
        for beat in frames.reshape(-1, port["lanes"])
    ]
    expected = "".join(f"{word:0{port['tdata_bits'] // 4}x}\n" for word in words)
    assert text.decode() == expected
    assert np.array_equal(decode(text, port), frames)
    assert len(decode(text[:-3], port)) == count - 1  # a frame cut short


def test_widths_without_padding():
    edge = {"lanes": 1, "beats": 2, "shape": [2], "lo": -16, "hi": 15, "bits": 5}
    assert decode(b"1f\n0f\n", edge).tolist() == [[-1, 15]]
    with pytest.raises(ValueError, match="padding"):
        decode(b"3f\n0f\n", edge)
    with pytest.raises(ValueError, match="hexadecimal"):
        decode(b"xx\n0f\n", edge)


def test_first_difference():
    a = np.zeros((3, 2, 2), int)
    b = a.copy()
    assert first_difference(a, b) is None
    b[1, 1, 0] = 7
    assert first_difference(a, b) == (1, (1, 0), 0, 7)
    assert first_difference(a, b[:1]) is None
