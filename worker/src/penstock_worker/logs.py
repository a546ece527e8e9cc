"""The worker's own log lines, the streams that scripts print to, and the rotation of the file that they lead to."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

log = logging.getLogger("penstock")
LINE = "%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s"

_LOOK_SECONDS = 1.0
_STREAMS = (1, 2)


def set_up(own: TextIO | None = None) -> None:
    """Write own lines to `own` (stdout) in Azure's form, and what scripts print as soon as a line is complete."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    form = logging.Formatter(LINE)
    form.converter = time.gmtime
    handler = logging.StreamHandler(own or sys.stdout)
    handler.setFormatter(form)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def write_error(text: str) -> None:
    """Write `text` to stderr, after all that was printed before. A full disk or a closed stream loses it."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def keep_small(path: Path, limit_bytes: int) -> None:
    """From now on, rotate the log file at `path` when it is larger than `limit_bytes`."""
    threading.Thread(target=_watch, args=(path, limit_bytes), name="penstock-logs", daemon=True).start()


def follow(path: Path) -> None:
    """From now on, write to the new file at `path` when another process of the instance has rotated it."""
    threading.Thread(target=_follow, args=(path,), name="penstock-logs", daemon=True).start()


def rotate_if_large(path: Path, limit_bytes: int) -> bool:
    """Rename the file at `path` to `.1` and lead stdout and stderr to a new one, if it is larger than `limit_bytes`.

    1. Make the new file under another name: with a full disk, all stays as it is.
    2. Move the old one away and the new one in its place. What is written in between reaches the old one.
    3. Redirect the descriptors, which libraries in C and child processes to come share.

    Does nothing if stdout does not lead to `path`. Raises OSError.
    """
    current = os.fstat(_STREAMS[0])
    if current.st_size <= limit_bytes or not _same(current, path):
        return False
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.replace(path, path.with_name(f"{path.name}.1"))
        os.replace(fresh, path)
        for stream in _STREAMS:
            os.dup2(descriptor, stream)
    finally:
        os.close(descriptor)
    return True


def _watch(path: Path, limit_bytes: int) -> None:
    while True:
        # A full disk is no reason to stop serving; the next look may find room.
        with suppress(OSError):
            rotate_if_large(path, limit_bytes)
        time.sleep(_LOOK_SECONDS)


def _follow(path: Path) -> None:
    while True:
        with suppress(OSError):
            if _same(os.fstat(_STREAMS[0]), path.with_name(f"{path.name}.1")):
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
                for stream in _STREAMS:
                    os.dup2(descriptor, stream)
                os.close(descriptor)
        time.sleep(_LOOK_SECONDS)


def _same(current: os.stat_result, path: Path) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (current.st_dev, current.st_ino)
