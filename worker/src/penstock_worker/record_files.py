"""The files that records are appended to: Azure's folders, one file per process, whole lines whatever happens."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

_ROLLED = {"minute": "%Y/%m/%d/%H/%M", "hour": "%Y/%m/%d/%H", "day": "%Y/%m/%d"}
_LARGEST = 64 * 1024 * 1024  # bytes of one file
_SPARE = 256 * 1024 * 1024  # bytes of the disk that are left to the rest of the platform


class RecordFiles:
    """Files below `folder`, that of the deployment: COLLECTION/yyyy/MM/dd/HH/INSTANCE.jsonl.

    `instance` is the name of this very process, so nobody else writes to its files. What is written is in the
    kernel's hands: it is lost with the machine, but not with the process.
    """

    def __init__(self, folder: str, instance: str, rolling: str) -> None:
        self._folder = folder
        self._instance = instance
        self._rolled = _ROLLED[rolling]
        self._open: dict[str, _File] = {}

    def append(self, collection: str, lines: bytes, now: float) -> None:
        """Add whole lines. Raises OSError if they have no place, and leaves nothing of them behind then."""
        self._look_for_room(len(lines))
        folder = self._place(collection, now)
        file = self._open.get(collection)
        if file is None or file.folder != folder or file.size > _LARGEST:
            number = file.number + 1 if file is not None and file.folder == folder else 0
            if file is not None:
                os.close(self._open.pop(collection).descriptor)
            file = self._open[collection] = _File(folder, self._instance, number)
        file.append(lines)

    def put_beside(self, collection: str, name: str, data: bytes, now: float) -> str:
        """Write `data` into a file of its own; returns its path from the folder of the lines. Raises OSError."""
        self._look_for_room(len(data))
        place = os.path.join(self._place(collection, now), self._instance)
        _make_folder(place)
        path = os.path.join(place, name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, data)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        return f"{self._instance}/{name}"

    def _place(self, collection: str, now: float) -> str:
        return os.path.join(self._folder, collection, time.strftime(self._rolled, time.gmtime(now)))

    def _look_for_room(self, size: int) -> None:
        _make_folder(self._folder)
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < _SPARE + size:
            raise OSError(errno.ENOSPC, "the disk is nearly full", self._folder)


class _File:
    def __init__(self, folder: str, instance: str, number: int) -> None:
        _make_folder(folder)
        self.folder = folder
        self.number = number
        self.size = 0
        name = f"{instance}.{number}.jsonl" if number else f"{instance}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.descriptor = os.open(os.path.join(folder, name), flags, 0o600)

    def append(self, lines: bytes) -> None:
        try:
            _write_all(self.descriptor, lines)
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(lines)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _make_folder(path: str) -> None:
    if not os.path.isdir(path):
        _make_folder(os.path.dirname(path))
        with suppress(FileExistsError):  # another instance was quicker
            os.mkdir(path, 0o700)
