"""Has files and folders on disk, be they few or a hundred thousand."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Union

_MOST = 64  # single flushes; beyond them it is quicker to flush the file system
_PATIENCE = 0.25  # seconds


class Flush:
    """What has been written below `root` and is not known to be on disk. What is gone meanwhile is no matter."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: set[str] = set()

    def note(self, path: Union[Path, str]) -> None:
        """A file or folder that has been changed."""
        if len(self._paths) <= _MOST:
            self._paths.add(str(path))

    def done(self, beat: Callable[[], None]) -> None:
        """Return when all that was noted is on disk. `beat` is called meanwhile. Raises OSError."""
        if len(self._paths) > _MOST:
            _patiently(lambda: flush_file_system(self._root), beat)
        else:
            for path in sorted(self._paths):
                _patiently(lambda path=path: _flushed(path, os.fsync), beat)
        self._paths.clear()


def flush_file_system(path: Union[Path, str]) -> None:
    """Return when all that anybody has written to the file system of `path` is on disk. Raises OSError."""
    _flushed(str(path), _sync_file_system)


def _flushed(path: str, flush: Callable[[int], None]) -> None:
    try:
        # What somebody has put in place of a file must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(descriptor: int) -> None:
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:
        os.sync()
        return
    if syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _patiently(call: Callable[[], None], beat: Callable[[], None]) -> None:
    """Gigabytes may have to be written, which the kernel does not tell of until it has done it."""
    errors: list[OSError] = []

    def run() -> None:
        try:
            call()
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="penstock-flush", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no memory for it
        call()
        return
    while thread.is_alive():
        thread.join(_PATIENCE)
        beat()
    if errors:
        raise errors[0]
