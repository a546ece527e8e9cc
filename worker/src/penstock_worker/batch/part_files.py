"""Files of `parts/` that are placed now and brought to disk a little later, several together, while others are made."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Callable, NamedTuple

from penstock_worker.batch_contract import flush_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_WRITTEN_AT_ONCE = 256 * 1024  # bytes
_MOST_OPEN = 64  # files: a mini-batch may come to a thousand parts


class Unsafe(NamedTuple):
    """A part that is not known to be on disk. Its file is open, unless there are many: who opens it later may not be
    told of an error."""

    path: Path
    descriptor: int | None


class PartFiles:
    """A disk takes as long to make one small file safe as to make ten. Nothing may be told of a part before `flush`.

    `flush` may run in another thread than everything else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "parts"
        self._unsafe: list[Unsafe] = []

    def temporary(self, name: str) -> Path:
        """Where the part `name` is to be written: whatever is left there is of no use to anybody."""
        return self.folder / f".{name}.{os.getpid()}.tmp"

    def write(self, name: str, fill: Callable[[BinaryIO], None]) -> int:
        """Have `fill` write the part `name`; its size. Raises what `fill` raises, and OSError; leaves nothing then."""
        temporary = self.temporary(name)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb", buffering=_WRITTEN_AT_ONCE) as file:
                fill(file)
            return self.place(name, temporary)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise

    def place(self, name: str, temporary: Path) -> int:
        """Put what was written to `temporary` under the name of its part; its size. Raises OSError."""
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            os.replace(temporary, self.folder / name)
        except BaseException:
            os.close(descriptor)
            raise
        many = len(self._unsafe) >= _MOST_OPEN
        if many:
            os.close(descriptor)
        self._unsafe.append(Unsafe(self.folder / name, None if many else descriptor))
        return size

    def taken(self) -> list[Unsafe]:
        """What has been placed since this was called last. It must be given to `flush`."""
        files, self._unsafe = self._unsafe, []
        return files

    def flush(self, files: Iterable[Unsafe]) -> None:
        """Have these parts on disk. Raises OSError: then they are gone, and none must be told of."""
        files = list(files)
        try:
            self._begin(files)
            for file in files:
                _wait_for(file)
            if files:
                flush_folder(self.folder)
        except OSError:
            for file in files:
                with suppress(OSError):
                    file.path.unlink()
            raise
        finally:
            for file in files:
                with suppress(OSError):
                    if file.descriptor is not None:
                        os.close(file.descriptor)

    def _begin(self, files: Sequence[Unsafe]) -> None:
        """Have the system write them all, where the first to be waited for would go alone. Raises OSError."""
        if any(file.descriptor is None for file in files):
            from penstock_worker.batch.flushing import flush_file_system

            flush_file_system(self.folder)
        elif len(files) > 1 and hasattr(os, "posix_fadvise"):
            for file in files:
                if file.descriptor is not None:
                    os.posix_fadvise(file.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _wait_for(file: Unsafe) -> None:
    if file.descriptor is not None:
        os.fsync(file.descriptor)
        return
    descriptor = os.open(file.path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
