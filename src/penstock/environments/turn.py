"""Turns: of the processes and threads that want one environment, one at a time builds or removes it."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(file: Path, *, shared: bool = False, wait: bool = True) -> Generator[bool]:
    """Holds `file` while the block runs: alone, or together with other `shared` holders.

    Yields False, and holds nothing, if somebody else has it and `wait` is False. The kernel lets go if the holder
    dies. Who holds the file alone may remove it: those who wait for it then take the new one.
    """
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _take(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)):
                yield False
                return
            if _is_at(descriptor, file):
                yield True
                return
        finally:
            os.close(descriptor)


def _take(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, file: Path) -> bool:
    """False if the file was removed, or made anew, while it was waited for."""
    held = os.fstat(descriptor)
    try:
        there = file.stat()
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)
