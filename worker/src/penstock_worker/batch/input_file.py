"""A file of the input, open, and whether it still is what it was when the job was planned."""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.failing import TaskFailedError
from penstock_worker.batch.unreadable import misread
from penstock_worker.batch_contract import INPUT_CHANGED

if TYPE_CHECKING:
    from collections.abc import Generator
    from io import FileIO

    from penstock_worker.batch_contract import File


@contextmanager
def opened(file: File) -> Generator[FileIO]:
    """The file, watched as `watched` does, and closed at the end."""
    with open_input(file) as stream, watched(file, stream):
        yield stream


@contextmanager
def watched(file: File, stream: FileIO) -> Generator[None]:
    """Around all that reads an open file: it is checked on the very descriptor that is read, before and after.

    Raises `TaskFailedError` if the file is another than was planned for.
    """
    _check(file, stream)
    try:
        yield
    except Exception as error:
        if not file.is_still(os.fstat(stream.fileno())):
            raise changed(file) from error  # that explains whatever went wrong
        raise
    _check(file, stream)


def open_input(file: File) -> FileIO:
    """Raises `TaskFailedError` if the file has gone, `UnreadableError` if it may not be read."""
    try:
        return open(file.path, "rb", buffering=0)
    except FileNotFoundError as error:
        raise changed(file) from error
    except OSError as error:
        raise misread(f"the file cannot be opened: {error.strerror}", file.name, error) from error


def arrow_source(stream: FileIO) -> Any:
    """An open file as Arrow's own, which it closes when it likes: of the same file, whatever lies at its path now."""
    arrow: Any = importlib.import_module("pyarrow")
    return arrow.OSFile(f"/dev/fd/{stream.fileno()}")


def is_at(stream: FileIO, path: str) -> bool:
    """True if an open file still is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(path))
    except OSError:
        return False


def unchanged(file: File) -> bool:
    """True if what lies at the file's path is what the job was planned for."""
    try:
        return file.is_still(os.stat(file.path))
    except OSError:
        return False


def _check(file: File, stream: FileIO) -> None:
    if not file.is_still(os.fstat(stream.fileno())):
        raise changed(file)


def changed(file: File) -> TaskFailedError:
    """Why a task has failed of which a file is not what it was when the job was planned."""
    return TaskFailedError(
        INPUT_CHANGED,
        f"{file.name} has changed since the job was planned; its rows would be of two versions. "
        "Let nobody write to the input of a job, and invoke the endpoint again",
    )
