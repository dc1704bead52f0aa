"""The child process: what it may take, what comes back, and that nothing of it stays."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen import api
from hwgen.cli import main
from hwgen.core.errors import HwgenError, Problem
from hwgen.core.limits import Limits, flag
from hwgen.frontends import sandbox
from hwgen.intake import import_model, open_model, run_model
from hwgen.ir.print import text
from tests.hostile.corpus import cnn, mlp

PROBLEMS = (Problem("HW103", "a\n\u202e", "b", "c", ("d", "e")), Problem("HW201", "f", "g"))


# What children do


def answers(folder: Path, limits: Limits, *args: Any) -> list[Any]:
    (folder / "left").write_text(str(os.getpid()))
    return [limits.nodes, *args]


def refuses(*_: Any) -> None:
    raise HwgenError(*PROBLEMS)


def is_at_fault(*_: Any) -> None:
    raise KeyError("of our own making")


def takes_memory(*_: Any) -> int:
    return np.ones(1 << 28).size  # 2 GiB


def takes_memory_bit_by_bit(*_: Any) -> None:
    taken = []
    while True:
        taken.append(bytes(1 << 20))


def takes_time(*_: Any) -> None:
    while True:
        pass


def sleeps(*_: Any) -> None:
    time.sleep(60)


def crashes(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def aborts(*_: Any) -> None:
    os.abort()


def leaves(*_: Any) -> None:
    os._exit(7)


def talks(*_: Any) -> None:
    print("on standard output", flush=True)
    os.write(2, b"on standard error")


@contextmanager
def another_thread() -> Iterator[None]:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture(params=["fork", "spawn"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways to make a child; another thread forbids to fork."""
    if request.param == "fork":
        if sys.platform != "linux" or threading.active_count() > 1:
            pytest.skip("forks only on Linux, and where no other thread runs")
        yield "fork"
    else:
        with another_thread():
            yield "spawn"


def refused(work: Any, folder: Path, **limits: int) -> tuple[Problem, ...]:
    with pytest.raises(HwgenError) as caught:
        sandbox.run(work, folder, limits=Limits(**limits), where="m.onnx")
    return caught.value.problems


def test_an_answer_comes_back(way: str, tmp_path: Path) -> None:
    argument = {"a": [1, 2.5, None, "\u202e"]}
    found = sandbox.run(answers, tmp_path, argument, limits=Limits(nodes=7), where="m")
    assert found == [7, argument]
    assert int((tmp_path / "left").read_text()) != os.getpid()


def test_problems_come_back(way: str, tmp_path: Path) -> None:
    assert refused(refuses, tmp_path) == PROBLEMS


def test_faults_come_back(way: str, tmp_path: Path) -> None:
    with pytest.raises(sandbox.ChildFaultError, match=r"(?s)is_at_fault.*of our own making"):
        sandbox.run(is_at_fault, tmp_path, limits=Limits(), where="m")


@pytest.mark.parametrize("work", [takes_memory, takes_memory_bit_by_bit])
def test_memory_is_bounded(way: str, tmp_path: Path, work: Any) -> None:
    (problem,) = refused(work, tmp_path, memory=600)
    assert (problem.code, problem.where) == ("HW106", "m.onnx")
    assert "600 MiB" in problem.why and "--max-memory" in problem.help


@pytest.mark.parametrize("work", [takes_time, sleeps])
def test_time_is_bounded(way: str, tmp_path: Path, work: Any) -> None:
    start = time.monotonic()
    (problem,) = refused(work, tmp_path, seconds=1)
    assert time.monotonic() - start < 5
    assert problem.code == "HW106"
    assert "1 s" in problem.why and "--max-seconds" in problem.help


def test_crashes_stay_in_the_child(tmp_path: Path) -> None:
    for work, code in ((crashes, "HW103"), (aborts, "HW106")):
        (tmp_path / work.__name__).mkdir()
        (problem,) = refused(work, tmp_path / work.__name__)
        assert problem.code == code
    with pytest.raises(sandbox.ChildFaultError, match="status"):
        sandbox.run(leaves, tmp_path, limits=Limits(), where="m")


def test_the_child_is_silent(way: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sandbox.run(talks, tmp_path, limits=Limits(), where="m")
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    children: list[int] = []
    for way in ("_fork", "_spawn"):
        make = getattr(sandbox, way)
        monkeypatch.setattr(sandbox, way, lambda *args, make=make: children.append(make(*args)) or
                            children[-1])  # fmt: skip
    monkeypatch.setattr(sandbox.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sandbox.run(sleeps, tmp_path, limits=Limits(), where="m")
    with pytest.raises(ChildProcessError):
        os.waitpid(children[0], os.WNOHANG)


# A model's way through it


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(cnn().SerializeToString())
    return path


def test_both_ways_give_the_same_graph(model: Path) -> None:
    forked = text(import_model(open_model(model)).graph)
    with another_thread():
        assert text(import_model(open_model(model)).graph) == forked


def test_nothing_stays_behind(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    api.inspect(model)
    model.write_bytes(b"no model")
    with pytest.raises(HwgenError):
        api.inspect(model)
    assert not list(scratch.iterdir())


def test_this_process_parses_no_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would parse leaves a mark here, were it called here."""
    import hwgen.frontends.read as read

    called, parse = [], read.parse
    monkeypatch.setattr(read, "parse", lambda *args: (called.append(args), parse(*args))[1])
    opened = open_model(model)
    imported = import_model(opened)
    run_model(imported.model, {"x": np.zeros((2, 2, 6, 6), np.float32)})
    assert not called
    read.read_model(model)
    assert called


def test_the_source_runs_as_here(model: Path) -> None:
    from hwgen.frontends import read_model, run_source

    frames = np.random.default_rng(0).normal(size=(5, 2, 6, 6)).astype(np.float32)
    (name,) = read_model(model).inputs
    here = run_source(read_model(model), {name: frames})
    there = run_model(open_model(model), {name: frames})
    assert here.keys() == there.keys()
    for output, array in here.items():
        np.testing.assert_array_equal(there[output], array)


def test_a_bound_reached_is_named_with_its_flag(tmp_path: Path, capsys: Any) -> None:
    """Limits as flags refuse a sound model; the message says which."""
    path = tmp_path / "net.onnx"
    path.write_bytes(mlp().SerializeToString())
    small = {"bytes": 10, "nodes": 2, "elements": 11, "tensor": 2, "rank": 1, "name": 3,
             "attribute": 2}  # fmt: skip
    for limit, bound in small.items():
        assert main(["inspect", str(path), flag(limit), str(bound)]) == 6, limit
        shown = capsys.readouterr().err
        assert "error[HW106]" in shown and f"the limit is {bound}" in shown
        assert flag(limit) in shown
        assert main(["build", str(path), "-o", str(tmp_path / "o"), flag(limit), str(bound)]) == 6
        assert not (tmp_path / "o").exists()
    for limit in small:
        assert main(["inspect", str(path), flag(limit), "0"]) == 2
        assert flag(limit) in capsys.readouterr().err
    generous = [word for limit in small for word in (flag(limit), "4000")]
    assert main(["inspect", str(path), *generous]) == 0


def test_the_page_lists_every_limit() -> None:
    page = (Path(__file__).parents[2] / "docs" / "safety.md").read_text("utf-8")
    for limit in dataclasses.fields(Limits):
        assert f"| `{flag(limit.name)}` | {limit.default} |" in page
