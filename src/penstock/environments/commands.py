"""Runs a build's commands: their output goes to a log line by line, and they end when their platform does."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event, Timer
from typing import IO

from penstock.environments.lines import masked

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


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What commands run in."""

    environ: Mapping[str, str]
    folder: Path
    limit: timedelta  # of each command


class TimeLimitError(Exception):
    """A command took longer than its limit and was killed, with all that it had started."""


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Files that a command reads from and writes to: nothing, and its log, where none are given."""

    stdin: IO[bytes] | None = None
    stdout: IO[bytes] | None = None


_PLAIN = Streams()


def run(argv: Sequence[str], log: IO[str], surroundings: Surroundings, streams: Streams = _PLAIN) -> int:
    """Run `argv`, write what it says to `log` without secrets, return its exit status. Raises `TimeLimitError`.

    The status is negative if a signal ended the command.
    """
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *argv]
    late = Event()
    with subprocess.Popen(
        launch,
        stdin=streams.stdin or subprocess.DEVNULL,
        stdout=streams.stdout or subprocess.PIPE,
        stderr=subprocess.PIPE if streams.stdout else subprocess.STDOUT,
        cwd=surroundings.folder,
        env=dict(surroundings.environ),
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        timer = Timer(surroundings.limit.total_seconds(), _kill, (process, late))
        timer.start()
        try:
            _copy(process.stderr or process.stdout, log)
            status = process.wait()
        finally:
            timer.cancel()
            _kill(process, Event())
    if late.is_set():
        raise TimeLimitError
    return status


def _copy(said: IO[str] | None, log: IO[str]) -> None:
    for line in said or ():
        log.write(masked(line))
        log.flush()


def _kill(process: subprocess.Popen[str], killed: Event) -> None:
    """Kill the command's whole session, unless it has ended: its number may be another's by then."""
    if process.poll() is None:
        killed.set()
        os.killpg(process.pid, signal.SIGKILL)
