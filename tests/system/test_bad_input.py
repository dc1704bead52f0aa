"""What a user gets wrong: one clear message each, its exit code, and nothing left behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from hwgen.core.codes import CODES
from tests.system.conftest import MODEL, Command, Refusal, in_a_process
from tests.system.small import save
from tests.system.test_cli import two_of_each

# Models


def bad_models(folder: Path) -> dict[str, str]:
    """The code that each of these files must meet."""
    whole = MODEL.read_bytes()
    (folder / "text.onnx").write_text("not a model\n" * 100)
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "half.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "tail.onnx").write_bytes(whole[:-3])
    (folder / "folder.onnx").mkdir()
    (folder / "frames.onnx").write_bytes(MODEL.with_suffix(".npz").read_bytes())
    for kind in ("nan", "dynamic", "unsupported"):
        save(folder, kind)
    no_nodes = helper.make_model(helper.make_graph([], "g", [], []))
    (folder / "hollow.onnx").write_bytes(no_nodes.SerializeToString())
    return {
        "nowhere.onnx": "HW101", "folder.onnx": "HW101", "/dev/zero": "HW101",
        "nowhere/deep\x1b[31m.onnx": "HW101", "x" * 300: "HW101", "": "HW101",
        "text.onnx": "HW102", "empty.onnx": "HW102", "half.onnx": "HW102", "tail.onnx": "HW102",
        "frames.onnx": "HW102", "hollow.onnx": "HW102",
        "nan.onnx": "HW104", "dynamic.onnx": "HW105", "unsupported.onnx": "HW201",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["inspect", "build", "run"])
def test_bad_models(command: str, refused: Refusal, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 64), np.float32))
    more = ("--input", "x.npy", "--output", "y.npy") if command == "run" else ()
    cases = bad_models(tmp_path)
    if command == "run":
        cases |= {"folder.onnx": "HW113", "": "HW113"}  # folders are taken for builds
    for name, code in cases.items():
        problems = refused(code, command, name, *more)
        assert all(p["code"] == code for p in problems), name
        stem = Path(name).stem
        assert any(stem in p["where"] for p in problems) or not stem, name


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for words in (("inspect", "pipe"), ("run", MODEL, "--input", "pipe", "--output", "y.npy")):
        outcome = in_a_process(*words, cwd=tmp_path)
        assert outcome.code == 2
        assert "HW101" in outcome.err and "regular file" in outcome.err


def test_everything_unsupported_is_named_at_once(refused: Refusal, tmp_path: Path) -> None:
    problems = refused("HW201", "build", save(tmp_path, "unsupported"), "-o", "b")
    told = " ".join(p["where"] + p["why"] for p in problems)
    assert "LSTM" in told and "Hardmax" in told
    assert all("node `" in p["where"] for p in problems)


def test_names_cannot_write_to_the_terminal(hwgen: Command, tmp_path: Path) -> None:
    outcome = hwgen("inspect", tmp_path / "\x1b[2J\u202e.onnx")
    assert "\x1b" not in outcome.err and "\u202e" not in outcome.err
    assert "\\x1b[2J\\u202e" in outcome.err


# Frames


def frame_files(folder: Path) -> dict[str, str]:
    """Files of frames for an input of 8 numbers, and the code that each must meet."""
    fine = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 8)
    arrays = {
        "narrow": fine[:, :7], "transposed": fine.T, "deep": fine[:, None], "single": np.float32(1),
        "none": fine[:0], "nan": np.where(fine > 0.9, np.nan, fine), "huge": fine * 1e300,
        "complex": fine * 1j, "words": fine.astype(str), "dates": fine.astype("M8[s]"),
        "infinite": fine / np.float32(0),
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(folder / "other.npz", y=fine, z=fine)
    np.savez(folder / "objects.npz", x=np.array([None]))
    np.savez_compressed(folder / "fine.npz", x=fine)
    whole = (folder / "fine.npz").read_bytes()
    (folder / "half.npz").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[60:70] = bytes(10)
    (folder / "damaged.npz").write_bytes(damaged)
    np.save(folder / "fine.npy", fine)
    header = (folder / "fine.npy").read_bytes()
    (folder / "half.npy").write_bytes(header[:140])
    (folder / "vast.npy").write_bytes(
        header.replace(b"(3, 8), }" + b" " * 9, b"(3, 8" + b"0" * 9 + b"), }")
    )
    (folder / "open.npy").write_bytes(header.replace(b"}", b" "))
    (folder / "text.npy").write_text("1 2 3\n")
    (folder / "empty.npy").write_bytes(b"")
    (folder / "folder.npy").mkdir()
    codes = {path.name: "HW112" for path in folder.glob("*.np[yz]") if "fine" not in path.name}
    return codes | {"folder.npy": "HW101", "nowhere.npy": "HW101"}


@pytest.mark.parametrize("how", ["run", "build"])
def test_bad_frames(how: str, refused: Refusal, tmp_path: Path) -> None:
    model = save(tmp_path, "sound")
    with np.errstate(all="ignore"):
        cases = frame_files(tmp_path)
    assert len(cases) >= 20
    for name, code in cases.items():
        words = (
            ("run", model, "--input", name, "--output", "y.npy")
            if how == "run"
            else ("build", model, "--frames-file", name, "-o", "deep/b")
        )
        (problem,) = refused(code, *words)
        if code == "HW101" or how == "build":
            assert name in problem["where"]


def test_integers_must_fit_an_integer_input(refused: Refusal, tmp_path: Path) -> None:
    model = save(tmp_path, "uint8")
    for name, value, word in (("negative", -1, "0..255"), ("wide", 256, "0..255"),
                              ("broken", 0.5, "integers")):  # fmt: skip
        np.save(f"{name}.npy", np.full((2, 8), value))
        (problem,) = refused("HW112", "run", model, "--input", f"{name}.npy", "--output", "y.npy")
        assert word in problem["help"]


@pytest.mark.parametrize("output", ["folder", "nowhere/y.npy", "/proc/y.npy", "file/y.npy"])
def test_results_that_cannot_be_written(output: str, refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    np.save(tmp_path / "x.npy", np.zeros((1, 8), np.float32))
    words = ("run", save(tmp_path, "sound"), "--input", "x.npy", "--output", output)
    (problem,) = refused("HW111", *words)
    assert problem["where"] == output


# Output folders


def test_folders_that_are_not_written(refused: Refusal, tmp_path: Path) -> None:
    model = save(tmp_path, "sound")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    (tmp_path / "web").mkdir()
    (tmp_path / "web/manifest.json").write_text('{"name": "another program", "schema": 1}')
    for out, why in {
        "file": "a file", "file/below/it": "a file", "link": "a symbolic link",
        "dangling": "a symbolic link", "full": "holds files", "web": "holds files",
        ".": "current folder", "..": "current folder", "/proc/hwgen/x": "", "x" * 300: "long",
        "/dev/null": "a file",
    }.items():  # fmt: skip
        (problem,) = refused("HW111", "build", model, "-o", out)
        assert why in problem["why"], out
        assert problem["where"] == out


def test_a_folder_of_ours_is_replaced_whole_or_not_at_all(
    hwgen: Command, refused: Refusal, tmp_path: Path
) -> None:
    model = save(tmp_path, "sound")
    assert hwgen("build", model, "-o", "b", "--frames", 2).code == 0
    refused("HW205", "build", model, "-o", "b", "--wbits", 8)
    refused("HW110", "build", model, "-o", "b", "--folding", "nowhere.json")
    assert hwgen("build", model, "-o", "b", "--frames", 3).code == 0
    assert set(os.listdir(tmp_path)) == {"b", "scratch", "sound.onnx"}


# Options


@pytest.mark.parametrize(
    "options",
    [
        ("--wbits", 0), ("--wbits", 9), ("--abits", -1), ("--abits", "four"), ("--interval", 0),
        ("--interval", 1.5), ("--fps", 0), ("--fps", "nan"), ("--fps", "inf"), ("--fps", -3),
        ("--fps", 2e8),
        ("--clock-mhz", 0), ("--clock-mhz", "inf"), ("--clock-mhz", "nan"), ("--frames", 0),
        ("--frames", 10**6), ("--seed", -1), ("--target", "vhdl"), ("--folding", "fast"),
        ("--interval", 5, "--fps", 5), ("--fold", "serial"), ("--until", "lift"), ("extra",),
    ],
    ids=lambda options: " ".join(map(str, options)),
)  # fmt: skip
def test_bad_options_of_build(options: tuple, refused: Refusal) -> None:
    (problem,) = refused("HW110", "build", MODEL, "-o", "b", *options)
    option = options[2] if len(options) == 4 else options[0]
    assert option in problem["where"] + problem["why"]


def test_all_bad_options_at_once(refused: Refusal) -> None:
    problems = refused("HW110", "build", MODEL, "--wbits", 0, "--abits", 99, "--frames", 0)
    assert [p["where"] for p in problems] == ["--wbits", "--abits", "--frames"]


def test_bad_options_of_the_others(refused: Refusal, built: Path, frames: Path) -> None:
    run = ("run", MODEL, "--input", frames, "--output", "y.npy")
    for words in (
        (), ("nothing",), ("inspect",), ("run", MODEL), (*run, "--engine", "magic"),
        (*run, "--engine", "onnx", "--raw"), ("sim", built, "--frames", 0),
        ("sim", built, "--frames", -1), ("sim", built, "--stall", 1), ("sim", built, "--seed", -1),
        ("sim", built, "--stall", "nan"), ("synth", built, "--tool", "quartus"),
        ("demo", "--frames", 0), ("explain", "HW000"), ("explain",), ("explain", "HW101", "--all"),
    ):  # fmt: skip
        problems = refused("HW110", *words)
        assert len(problems) == 1, words
    (problem,) = refused("HW101", "demo", "--model", "../models/digits_mlp_w2a4")
    assert "digits_cnn_w2a4" in problem["help"]


def test_bad_folding_files(refused: Refusal, tmp_path: Path) -> None:
    for text, code, part in (
        (None, "HW110", "No such file"), ("{", "HW110", "Expecting"), ("[]", "HW110", "object"),
        ('{"qlinear1": 3}', "HW110", "object"), ("\xff", "HW110", "decode"),
        ("[" * 100_000, "HW110", "recursion"),
        ('{"nothing": {"pe": 1}}', "HW311", "no such stage"),
        ('{"qlinear1": {"pe": 3}}', "HW311", "PE=3"),
        ('{"qlinear1": {"simd": 128}}', "HW311", "SIMD=128"),
        ('{"qlinear1": {"pe": "1"}}', "HW311", "PE=1"),
        ('{"qlinear1": {"lowering": "magic"}}', "HW311", "magic"),
    ):  # fmt: skip
        path = tmp_path / "folding.json"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_bytes(text.encode("latin-1"))
        (problem,) = refused(code, "build", MODEL, "-o", "b", "--folding", path)
        assert part in problem["why"], text
        assert str(path) in problem["where"]
    path.write_text('{"qlinear1": {"pe": 5}, "qlinear5": {"simd": 7}, "quant4": {"pe": 3}}')
    problems = refused("HW311", "build", MODEL, "-o", "b", "--folding", path)
    assert len(problems) == 3
    assert "PE may be 1, 2, 4, 8, 16, 32, 64" in problems[0]["help"]


def test_an_interval_that_cannot_be_met(refused: Refusal, hwgen: Command) -> None:
    cnn = MODEL.with_name("digits_cnn_w2a4.onnx")
    problems = refused("HW310", "build", cnn, "-o", "b", "--interval", 50)
    assert {p["code"] for p in problems} == {"HW310"}
    assert all("node `" in p["where"] and "50 were asked for" in p["why"] for p in problems)
    needed = max(int(p["help"].split("--interval ")[1].split()[0]) for p in problems)
    assert hwgen("build", cnn, "-o", "b", "--interval", needed, "--frames", 1).code == 0
    shutil.rmtree("b")
    refused("HW310", "build", cnn, "-o", "b", "--interval", needed - 1)
    (first, *_) = refused("HW310", "build", cnn, "-o", "b", "--fps", 2e8, "--clock-mhz", 250)
    assert f"at 250 MHz for --fps {250e6 / needed:.0f}" in first["help"]


def test_exit_codes_are_those_of_the_table() -> None:
    assert {code: CODES[code].exit for code in ("HW101", "HW102", "HW201", "HW310", "HW601")} == {
        "HW101": 2, "HW102": 3, "HW201": 4, "HW310": 1, "HW601": 5,
    }  # fmt: skip


def test_an_input_without_frames(refused: Refusal, tmp_path: Path) -> None:
    model = two_of_each(tmp_path)
    np.savez("one.npz", a=np.zeros((3, 6), np.float32))
    np.save("alone.npy", np.zeros((3, 6), np.float32))
    np.savez("uneven.npz", a=np.zeros((3, 6), np.float32), b=np.zeros((2, 6), np.float32))
    for name, why in (("one.npz", "none is called b; it has a"), ("alone.npy", "none is called a"),
                      ("uneven.npz", "frames")):  # fmt: skip
        for words in (("run", model, "--input", name, "--output", "y.npz"),
                      ("build", model, "--frames-file", name, "-o", "b")):  # fmt: skip
            (problem,) = refused("HW112", *words)
            assert why in problem["why"]
            assert name in problem["where"]
