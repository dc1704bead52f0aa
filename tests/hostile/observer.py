"""What becomes of a file: how `inspect` or `build` ends, and what that took, file by file.

A server process imports hwgen once and forks for every file, so that each one's time and memory are
its own, and a fork costs milliseconds. ``python -m tests.hostile.observer`` is the server; a line of
JSON asks, another one answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from hwgen.core.errors import HwgenError, Problem

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds after which the fork for one file is killed


@dataclass(frozen=True)
class Outcome:
    """``exit`` as of the command line; ``fault`` is a traceback, empty where there is none.

    ``busy``: seconds of processor time of all processes together, ``seconds`` those of the clock;
    ``mebibytes``: greatest resident memory of any one process that took part.
    """

    exit: int
    problems: tuple[Problem, ...]
    fault: str
    seconds: float
    busy: float
    mebibytes: int

    @property
    def codes(self) -> set[str]:
        return {problem.code for problem in self.problems}


class Observer:
    """The server, for as long as the ``with`` block runs."""

    def __enter__(self) -> Observer:
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait()

    def __call__(self, action: str, path: Path, **options: Any) -> Outcome:
        """``hwgen.api.<action>(path, **options)``, run in the folder of ``path``."""
        assert self._server.stdin and self._server.stdout
        asked = {"action": action, "path": str(path), "options": options}
        self._server.stdin.write(json.dumps(asked, default=str) + "\n")
        answer = json.loads(self._server.stdout.readline())
        found = tuple(
            Problem(p["code"], p["where"], p["why"], p["help"], tuple(p["notes"]))
            for p in answer.pop("problems")
        )
        return Outcome(problems=found, **answer)


# In the server


def _answer(asked: dict[str, Any]) -> Outcome:
    reading, writing = os.pipe()
    start = time.monotonic()
    pid = os.fork()
    if not pid:
        try:
            os.close(reading)
            signal.alarm(PATIENCE)
            os.chdir(Path(asked["path"]).parent)
            with open(writing, "w", encoding="utf-8") as pipe:
                json.dump(_act(asked["action"], asked["path"], asked["options"]), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    code, problems, fault = json.loads(text or f'[70, [], "ended with status {status}"]')
    found = tuple(Problem(w, x, y, z, tuple(notes)) for w, x, y, z, notes in problems)
    return Outcome(code, found, fault, time.monotonic() - start, usage.ru_utime + usage.ru_stime,
                   usage.ru_maxrss >> 10)  # fmt: skip


def _act(action: str, path: str, options: dict[str, Any]) -> tuple[int, list[Any], str]:
    from hwgen import api

    try:
        getattr(api, action)(path, **options)
        return 0, [], ""
    except HwgenError as error:
        return error.exit_code, [astuple(p) for p in error.problems], ""
    except Exception:
        return 70, [], traceback.format_exc()


def _serve() -> None:
    from hwgen import api

    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # whatever prints does not garble the answers
    assert api.build
    for line in sys.stdin:
        answers.write(json.dumps(asdict(_answer(json.loads(line)))) + "\n")


if __name__ == "__main__":
    _serve()
