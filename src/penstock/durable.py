"""Files that are whole or not there, whatever is killed meanwhile: written aside, synced, then renamed.

All are readable by their owner only.
"""

import contextlib
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Generator
from pathlib import Path

_STALE_SECONDS = 24 * 3600


def replace(path: Path, content: bytes) -> None:
    """Give the file this content in one step. Raises OSError, and leaves the old content, if that cannot be done."""
    with new_file(path.parent, f".{path.name}.") as (temporary, descriptor):
        write_all(descriptor, content)
        os.fsync(descriptor)
        os.replace(temporary, path)


@contextlib.contextmanager
def new_file(folder: Path, prefix: str = "") -> Generator[tuple[Path, int]]:
    """A file to write, to sync and then to rename or link; it is gone afterwards under the name it has here."""
    path = folder / f"{prefix}{uuid.uuid4().hex}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield path, descriptor
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a loss of power too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it; fine if it is not there."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_stale(folder: Path) -> None:
    """Remove what crashes left in a folder of new files; younger ones may be another process's that still writes."""
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_mtime < time.time() - _STALE_SECONDS:
                file.unlink()


@contextlib.contextmanager
def only_one_below(folder: Path) -> Generator[None]:
    """Hold a lock on `folder`, which the kernel releases if the process dies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
