"""A file on its way here: under another name until it is whole."""

import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

from penstock.domain.errors import conflict
from penstock_worker.batch_contract import File, Remote

_MARK = ".fetching-"


class Copy:
    """One of a fetch, `number` in its order, that comes in `pieces`; those may be written by several threads."""

    def __init__(self, number: int, file: File, remote: Remote, pieces: int) -> None:
        self.number = number
        self.file = file
        self.remote = remote
        self.failed = False
        self._over = False
        self._left = pieces
        self._lock = threading.Lock()
        self._descriptor: int | None = None  # one for all pieces, so that none goes into another file of the name
        path = Path(file.path)
        self._temporary = path.with_name(f"{_MARK}{path.name[:200]}.{os.getpid()}")

    def write(self, data: bytes, offset: int) -> None:
        descriptor = self._opened()
        view = memoryview(data)
        while view:
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._opened(), 0)

    def is_last(self) -> bool:
        """True once, when the last piece has come."""
        with self._lock:
            self._left -= 1
            return self._left == 0

    def keep(self, size: int) -> None:
        """Give it its name. Its time is the one that it was planned with, by which workers tell that it is the same.

        Its content is on disk before its name: after a loss of power it may be gone, but what is there is right.
        """
        descriptor = self._opened()
        if os.fstat(descriptor).st_size != size:
            raise conflict(f"{self.remote.uri}: {size} bytes were to come")
        if self.file.modified_ns >= 0:
            os.utime(descriptor, ns=(self.file.modified_ns, self.file.modified_ns))
        if _is_open(Path(self.file.path).parent):
            os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
        os.replace(self._temporary, self.file.path)
        self._close()

    def give_up(self) -> None:
        """Remove what has come, unless it is kept. Nobody may be writing."""
        if not self._over:
            self._close()
            self._temporary.unlink(missing_ok=True)

    def _opened(self) -> int:
        with self._lock:
            if self._descriptor is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._descriptor = os.open(self._temporary, flags, 0o600)
            return self._descriptor

    def _close(self) -> None:
        with self._lock:
            self._over = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def make_folders(files: Sequence[File]) -> None:
    """Have the folders of these files, without what an earlier process left there that was killed."""
    for folder in {Path(file.path).parent for file in files}:
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            with os.scandir(folder) as entries:
                remains = [entry.path for entry in entries if entry.name.startswith(_MARK)]
            for path in remains:
                os.unlink(path)
        if _is_open(folder.parent):
            folder.chmod(0o755)


def _is_open(folder: Path) -> bool:
    """True if all users may see what lies there, as those of containers do; a folder above keeps others out."""
    return bool(folder.stat().st_mode & stat.S_IXOTH)
