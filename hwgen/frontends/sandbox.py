"""Work on what a stranger wrote, in a child process with bounded memory and time.

The child gets a folder with its input and leaves its results there; what went wrong comes back as
JSON. A parser that loops, leaks or crashes thus ends the child and nothing else. The child is a
fork where that is safe, which takes milliseconds, and else a new interpreter.

This bounds what a file can cost; it is no jail against code that a flaw in a parser would run.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hwgen.core.errors import HwgenError, Problem, fail
from hwgen.core.limits import Limits

Work = Callable[..., Any]  # (folder, limits, *args) -> an answer that JSON can hold
MIB = 1 << 20
_ANSWER = "answer.json"
_NO_MEMORY = ("allocate memory", "failed to map segment", "bad allocation", "bad_alloc")


class ChildFaultError(RuntimeError):
    """The child met a fault of hwgen; the text is its traceback."""


def run(work: Work, folder: Path, *args: Any, limits: Limits, where: str,
        tick: Callable[[], None] = lambda: None) -> Any:  # fmt: skip
    """``work(folder, limits, *args)`` in a child, and its answer.

    ``work`` is a function of a module; ``args`` and the answer are what JSON can hold; arrays
    travel as files in ``folder``. Raises the HwgenErrors of ``work``; HW106 where the child reaches
    ``limits.memory`` or ``limits.seconds``; HW103 where the file crashes it. ``where`` is the file
    that those two name. ``tick`` is called some 50 times per second while the child works, and once after.
    """
    _check_folder(folder)
    if sys.platform == "linux" and threading.active_count() == 1:
        pid = _fork(work, folder, limits, args)
    else:  # another thread may hold a lock, which a fork would copy but nobody would open
        pid = _spawn(work, folder, limits, args)
    status, late = _wait(pid, limits.seconds, tick)
    tick()
    answer = _answer(folder / _ANSWER)
    ended_by = signal.Signals(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None
    if late or ended_by == signal.SIGXCPU:
        limits.exceeded("seconds", f"importing took more than {limits.seconds} s", where=where)
    if ended_by in (signal.SIGKILL, signal.SIGABRT) or answer.get("limit") == "memory":
        limits.exceeded("memory", f"importing took more than {limits.memory} MiB", where=where)
    if ended_by is not None:
        fail("HW103", where=where, why=f"the library that reads it crashed ({ended_by.name})",
             help="export the model again; report the file if it is sound")  # fmt: skip
    if "problems" in answer:
        raise HwgenError(*(_problem(entry) for entry in answer["problems"]))
    if "answer" not in answer:
        raise ChildFaultError(answer.get("fault", f"the child ended with status {status}"))
    return answer["answer"]


def _check_folder(folder: Path) -> None:
    assert folder.is_dir() and not (folder / _ANSWER).exists(), "a child needs a folder of its own"


def _problem(entry: dict[str, Any]) -> Problem:
    return Problem(
        entry["code"], entry["where"], entry["why"], entry["help"], tuple(entry["notes"])
    )


# The parent


def _fork(work: Work, folder: Path, limits: Limits, args: tuple[Any, ...]) -> int:
    with warnings.catch_warnings():
        # Python warns of the threads of OpenBLAS, which are idle and restart in the child
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        faulthandler.disable()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        sys.stdout = sys.stderr = open(null, "w", encoding="utf-8")  # noqa: SIM115
        _serve(work, folder, limits, args)
    finally:
        os._exit(0)  # whatever the parent registered for its end is not for the child


def _spawn(work: Work, folder: Path, limits: Limits, args: tuple[Any, ...]) -> int:
    task = {
        "module": work.__module__, "name": work.__qualname__,
        "limits": dataclasses.asdict(limits), "args": args,
    }  # fmt: skip
    (folder / "task.json").write_text(json.dumps(task), "utf-8")
    package = str(Path(__file__).parents[2])
    known = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(known)},
    )  # fmt: skip
    process.returncode = 0  # reaped by _wait
    return process.pid


def _wait(pid: int, seconds: float, tick: Callable[[], None]) -> tuple[int, bool]:
    """The child's status, and whether it had to be killed since it took too long."""
    end, pause, late = time.monotonic() + seconds, 0.001, False
    try:
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                pid = 0
                return status, late
            if not late and time.monotonic() > end:
                late = True
                os.kill(pid, signal.SIGKILL)
            time.sleep(pause)
            tick()
            pause = min(2 * pause, 0.02)
    finally:
        if pid:  # interrupted
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _answer(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # it ended before it could answer
        return {}


# The child


def _serve(work: Work, folder: Path, limits: Limits, args: tuple[Any, ...]) -> None:
    result: dict[str, Any]
    try:
        _confine(limits)
        os.environ["TMPDIR"] = str(folder)  # where onnxruntime leaves a file of its own
        result = {"answer": work(folder, limits, *args)}
    except Exception as error:
        if _out_of_memory(error):
            result = {"limit": "memory"}
        elif isinstance(error, HwgenError):
            result = {"problems": [problem.as_dict() for problem in error.problems]}
        else:
            result = {"fault": traceback.format_exc()}
    (folder / _ANSWER).write_text(json.dumps(result), "utf-8")


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether ``error`` or what it arose from is a lack of memory, which libraries put in words."""
    while error is not None:
        if isinstance(error, MemoryError) or any(word in str(error) for word in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _confine(limits: Limits) -> None:
    """Bound this process: memory beyond what it already has, processor time, no core file."""
    cores = os.cpu_count() or 1
    for kind, bound in (
        (resource.RLIMIT_AS, _mapped() + limits.memory * MIB),
        (resource.RLIMIT_CPU, limits.seconds * cores + 1),  # outlives no parent that was killed
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        with suppress(ValueError, OSError):  # some systems know a limit and do not keep it
            resource.setrlimit(kind, (bound, hard))


def _mapped() -> int:
    """Bytes of address space that this process has, where the system tells."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text("utf-8"))
    work = getattr(importlib.import_module(task["module"]), task["name"])
    _serve(work, folder, Limits(**task["limits"]), tuple(task["args"]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
