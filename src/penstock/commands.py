"""Runs commands within bounds: of time, of what is kept of their output, and of their platform's own life.

What they print goes to a log line by line, or is kept; either way without the passwords of URLs.
"""

import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event, Timer
from typing import IO, Protocol

# PR_SET_PDEATHSIG must be set in the child, where forking a process with threads allows little: so a small program
# does it and becomes the command. It fires when the starting thread ends, which waits for the command.
_LAUNCH = """
import ctypes, os, signal, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(125)
os.execv(sys.argv[2], sys.argv[2:])
"""
_CREDENTIALS = re.compile(r"(\w://)[^/\s@]*@")
_KEPT_CHARACTERS = 4 * 1024 * 1024  # of a command's answer
_KEPT_LINES = 400  # of a log


class Log(Protocol):
    """Where lines go, e.g. an open file."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Kept:
    """A log that hands everything on to another, if there is one, and keeps the last lines for messages."""

    def __init__(self, log: Log | None) -> None:
        self._log = log
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def write(self, text: str, /) -> None:
        self._lines.append(text)
        if self._log is not None:
            self._log.write(text)

    def flush(self) -> None:
        if self._log is not None:
            self._log.flush()


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What commands run in."""

    environ: Mapping[str, str]
    folder: Path
    limit: timedelta  # of each command


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it said on stdout and on stderr; the first four million characters of each."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Files that a command reads from and writes to: nothing, and its log, where none are given."""

    stdin: IO[bytes] | None = None
    stdout: IO[bytes] | None = None


class TimeLimitError(Exception):
    """A command took longer than its limit and was killed, with all that it had started."""


_PLAIN = Streams()
_Ends = tuple[int | IO[bytes], int | IO[bytes], int]  # of stdin, stdout and stderr


def run(argv: Sequence[str], log: Log, surroundings: Surroundings, streams: Streams = _PLAIN) -> int:
    """Run `argv` (the first an absolute path), write what it says to `log`, return its exit status.

    The status is negative if a signal ended the command. Raises `TimeLimitError`.
    """

    def copy(process: subprocess.Popen[str]) -> None:
        for line in process.stderr or process.stdout or ():
            log.write(masked(line))
            log.flush()

    stderr = subprocess.PIPE if streams.stdout else subprocess.STDOUT
    ends = (streams.stdin or subprocess.DEVNULL, streams.stdout or subprocess.PIPE, stderr)
    return _run(argv, surroundings, ends, copy)


def ask(argv: Sequence[str], surroundings: Surroundings) -> Answer:
    """Run `argv` (the first an absolute path) for its answer. Raises `TimeLimitError`."""
    kept = {"output": "", "errors": ""}

    def keep(process: subprocess.Popen[str]) -> None:
        output, errors = process.communicate()
        kept.update(output=output[:_KEPT_CHARACTERS], errors=masked(errors[:_KEPT_CHARACTERS]))

    status = _run(argv, surroundings, (subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE), keep)
    return Answer(status, **kept)


def tied(argv: Sequence[str]) -> list[str]:
    """`argv` (the first an absolute path) as a command that is killed when the thread that started it ends."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *argv]


def masked(text: str) -> str:
    """`text` with the user and password of every URL in it hidden."""
    return _CREDENTIALS.sub(r"\1***@", text)


def _run(
    argv: Sequence[str], surroundings: Surroundings, ends: _Ends, listen: Callable[[subprocess.Popen[str]], None]
) -> int:
    late = Event()
    with subprocess.Popen(
        tied(argv),
        stdin=ends[0],
        stdout=ends[1],
        stderr=ends[2],
        cwd=surroundings.folder,
        env=dict(surroundings.environ),
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        timer = Timer(surroundings.limit.total_seconds(), _kill, (process, late))
        timer.start()
        try:
            listen(process)
            status = process.wait()
        finally:
            timer.cancel()
            _kill(process, Event())
    if late.is_set():
        raise TimeLimitError
    return status


def _kill(process: subprocess.Popen[str], killed: Event) -> None:
    """Kill the command's whole session, unless it has ended: its number may be another's by then."""
    if process.poll() is None:
        killed.set()
        os.killpg(process.pid, signal.SIGKILL)
