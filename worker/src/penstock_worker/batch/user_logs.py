"""What scripts and models print and how they fail, in files below the job's folder of logs, laid out as Azure's."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from penstock_worker.batch_contract import Result, Task
    from penstock_worker.failure import LoadError

_NODE = "node0"  # Azure has one for each machine of a compute
_LARGEST_STREAM = 32 * 1024 * 1024  # then it is renamed to .1, so there are twice as many bytes of it at most
_LARGEST_SUMMARY = 16 * 1024 * 1024  # of all workers together
_MOST_NAMES = 20  # of a mini-batch's files
_LOOK_SECONDS = 1.0


class UserLogs:
    """The files of one worker. Several processes may write to them one after the other, and to the summary at once."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.process = process_name(worker)
        self._user = folder / "user"
        self.of_entry_script = self._user / "entry_script_log" / _NODE
        self._errors = self._user / "error" / _NODE / f"{self.process}.txt"

    def take_streams(self) -> TextIO:
        """Lead stdout and stderr to their files, for as long as the process lives. Returns what stdout was.

        Raises OSError.
        """
        own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
        streams = [(stream.fileno(), self._path_of(name)) for stream, name in _streams()]
        for descriptor, path in streams:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _lead(descriptor, path)
        threading.Thread(target=_watch, args=(streams,), name="penstock-logs", daemon=True).start()
        return own

    def not_done(self, task: Task, result: Result) -> None:
        names = [segment.file.name for segment in task.segments]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        files = f"files: {', '.join(names[:_MOST_NAMES])}{more}\n" if names else ""
        what = f"{task.kind} {task.id}, attempt {task.attempt}: {result.reason}: {result.message}"
        self._tell(f"{what}\n{files}{result.traceback}")

    def not_loaded(self, failure: LoadError) -> None:
        self._tell(f"{failure.reason}: {failure.message}\n{failure.traceback}")

    def _path_of(self, stream: str) -> Path:
        return self._user / stream / _NODE / f"{self.process}.{stream}.txt"

    def _tell(self, text: str) -> None:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        data = f"{now} {self.process} {text.rstrip()}\n\n".encode("utf-8", "backslashreplace")
        # A full disk must not end what goes on.
        with suppress(OSError):
            _append(self._user / "error.txt", data, _LARGEST_SUMMARY)
        with suppress(OSError):
            _rotate(self._errors, _LARGEST_STREAM)
            _append(self._errors, data)


def process_name(worker: str) -> str:
    """Azure's name for a worker: `process001` for `w1`."""
    number = re.search(r"\d+$", worker)
    return f"process{int(number.group()):03d}" if number else worker


def _streams() -> Sequence[tuple[TextIO, str]]:
    return ((sys.stdout, "stdout"), (sys.stderr, "stderr"))


def _lead(descriptor: int, path: Path) -> None:
    """Let `descriptor`, which libraries in C and child processes share, write to the end of the file at `path`."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.dup2(opened, descriptor)
    finally:
        os.close(opened)


def _watch(streams: Sequence[tuple[int, Path]]) -> None:
    while True:
        time.sleep(_LOOK_SECONDS)
        for descriptor, path in streams:
            with suppress(OSError):
                if _rotate(path, _LARGEST_STREAM):
                    _lead(descriptor, path)


def _rotate(path: Path, limit_bytes: int) -> bool:
    """Rename the file at `path` if it is too large. True: it was."""
    try:
        if path.stat().st_size <= limit_bytes:
            return False
    except FileNotFoundError:
        return False
    os.replace(path, path.with_name(f"{path.name}.1"))
    return True


def _append(path: Path, data: bytes, limit_bytes: int | None = None) -> None:
    """Write all of `data` in one call, which other writers' cannot come between; nothing if the file is too large."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if limit_bytes is None or os.fstat(descriptor).st_size < limit_bytes:
            os.write(descriptor, data)
    finally:
        os.close(descriptor)
