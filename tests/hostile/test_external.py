"""Tensors outside of the model file: refused, unless one folder is allowed and they lie in it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from hwgen import api
from hwgen.core.errors import HwgenError
from hwgen.core.limits import Limits
from hwgen.intake import open_model
from tests.hostile.corpus import mlp, tensor

SIZE = 48  # bytes of the weight: 4 x 3 float32


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder ``data`` with the weight in ``w.bin``, and secrets outside of it."""
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    content = weight(mlp()).raw_data
    assert len(content) == SIZE
    for path in (data / "w.bin", data / "deep" / "w.bin", tmp_path / "secret.bin"):
        path.write_bytes(content)
    (data / "padded.bin").write_bytes(b"\xff" * 16 + content + b"\xff" * 16)
    (data / "link.bin").symlink_to(data / "w.bin")
    (data / "out.bin").symlink_to(tmp_path / "secret.bin")
    (data / "outside").symlink_to(tmp_path)
    os.link(tmp_path / "secret.bin", data / "hard.bin")
    os.mkfifo(data / "fifo.bin")
    return tmp_path


def weight(model: ModelProto) -> TensorProto:
    return next(t for t in model.graph.initializer if len(t.dims) == 2)


def model_with(place: Path, **entries: str) -> Path:
    """The model with its weight kept outside, as ``entries`` say."""
    model = mlp()
    found = weight(model)
    found.ClearField("raw_data")
    found.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        found.external_data.add(key=key, value=value)
    path = place / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def code_of(path: Path, folder: Path | None, limits: Limits | None = None) -> str:
    with pytest.raises(HwgenError) as caught:
        api.inspect(path, external_data=folder, limits=limits or Limits())
    return caught.value.problems[0].code


@pytest.mark.parametrize("entries", [
    {"location": "w.bin"}, {"location": "./w.bin", "length": "48"}, {"location": "deep/w.bin"},
    {"location": "padded.bin", "offset": "16", "length": "48", "checksum": "any"},
])  # fmt: skip
def test_allowed_data_is_embedded(place: Path, entries: dict[str, str]) -> None:
    path = model_with(place, **entries)
    assert code_of(path, None) == "HW103"
    opened = open_model(path, external_data=place / "data")
    embedded = ModelProto()
    embedded.ParseFromString(opened.data)
    assert weight(embedded).raw_data == weight(mlp()).raw_data
    assert not weight(embedded).external_data
    inside = place / "inside.onnx"
    inside.write_bytes(mlp().SerializeToString())
    found, same = api.inspect(path, external_data=place / "data"), api.inspect(inside)
    assert found["layers"] == same["layers"]


@pytest.mark.parametrize("entries", [
    {"location": "../secret.bin"}, {"location": "deep/../../secret.bin"}, {"location": "link.bin"},
    {"location": "out.bin"}, {"location": "outside/secret.bin"}, {"location": "hard.bin"},
    {"location": "fifo.bin"}, {"location": "deep"}, {"location": "."}, {"location": ".."},
    {"location": ""}, {"location": "/dev/zero"}, {"location": "none.bin"}, {"location": "a\0b"},
    {"location": "w.bin/"}, {"location": "deep//w.bin"}, {"location": "deep\\w.bin"},
    {"location": "w.bin/w.bin"}, {"location": "x" * 300},
    {"location": "w.bin", "offset": "1"}, {"location": "w.bin", "offset": "-1"},
    {"location": "w.bin", "offset": str(1 << 62)}, {"location": "w.bin", "length": "47"},
    {"location": "w.bin", "length": "-1"}, {"location": "w.bin", "length": str(1 << 50)},
    {"location": "w.bin", "length": "0x30"}, {"location": "w.bin", "offset": "٣"},
    {"location": "w.bin", "offset": "1" * 3000}, {"location": "w.bin", "__class__": "dict"},
    {"offset": "0"},
])  # fmt: skip
def test_everything_else_is_refused(place: Path, entries: dict[str, str]) -> None:
    path = model_with(place, **entries)
    assert code_of(path, place / "data") == code_of(path, None) == "HW103"


def test_an_absolute_path_is_refused_even_into_the_folder(place: Path) -> None:
    path = model_with(place, location=str(place / "data" / "w.bin"))
    assert code_of(path, place / "data") == "HW103"


def test_keys_twice_and_data_twice_are_refused(place: Path) -> None:
    for harm in (
        lambda t: t.external_data.add(key="location", value="w.bin"),
        lambda t: setattr(t, "raw_data", b"x"),
        lambda t: t.dims.append(-1),
        lambda t: setattr(t, "data_type", TensorProto.STRING),
    ):
        path = model_with(place, location="w.bin")
        model = ModelProto()
        model.ParseFromString(path.read_bytes())
        harm(weight(model))
        path.write_bytes(model.SerializeToString())
        assert code_of(path, place / "data") == "HW103"


def test_the_folder_must_be_one(place: Path) -> None:
    path = model_with(place, location="w.bin")
    assert code_of(path, place / "nowhere") == "HW101"


def test_bytes_outside_count(place: Path) -> None:
    path = model_with(place, location="w.bin")
    size = path.stat().st_size
    assert code_of(path, place / "data", Limits(bytes=size + SIZE - 1)) == "HW106"
    api.inspect(path, external_data=place / "data", limits=Limits(bytes=size + 2 * SIZE))


def test_a_huge_shape_is_not_read(place: Path) -> None:
    path = model_with(place, location="w.bin")
    model = ModelProto()
    model.ParseFromString(path.read_bytes())
    weight(model).dims[0] = 1 << 40
    path.write_bytes(model.SerializeToString())
    assert code_of(path, place / "data") == "HW106"


def test_a_build_carries_what_it_embedded(place: Path) -> None:
    path = model_with(place, location="w.bin")
    built = api.build(path, place / "out", external_data=place / "data", frames=2)
    frames = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    expected = api.run(path, frames, external_data=place / "data")
    np.testing.assert_array_equal(api.run(place / "out", frames, engine="onnx"), expected)
    assert api.build(path, place / "out", external_data=place / "data", frames=2).reused
    changed = bytearray((place / "data" / "w.bin").read_bytes())
    changed[:4] = np.float32(1).tobytes()
    (place / "data" / "w.bin").write_bytes(bytes(changed))
    assert not api.build(path, place / "out", external_data=place / "data", frames=2).reused
    assert built.folder == place / "out"
    assert tensor(mlp(), "Quant", 1).raw_data


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p)])
def test_a_model_is_a_regular_file(tmp_path: Path, make) -> None:
    path = tmp_path / "net.onnx"
    make(path)
    assert code_of(path, None) == "HW101"
