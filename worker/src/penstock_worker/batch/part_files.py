"""Files of `parts/` that are placed now and brought to disk a little later, several together, while others are made."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Callable, NamedTuple

from penstock_worker.batch_contract import flush_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_WRITTEN_AT_ONCE = 256 * 1024  # bytes
_MOST_OPEN = 64  # files: a mini-batch may come to a thousand parts


class Unsafe(NamedTuple):
    """A part that is not known to be on disk. Its file is open: who opens it later may not be told of an error."""

    path: Path
    descriptor: int


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
            if len(self._unsafe) >= _MOST_OPEN:
                os.fsync(descriptor)
            os.replace(temporary, self.folder / name)
        except BaseException:
            os.close(descriptor)
            raise
        if len(self._unsafe) >= _MOST_OPEN:
            os.close(descriptor)  # what is left to be done for its name is done with the others
        else:
            self._unsafe.append(Unsafe(self.folder / name, descriptor))
        return size

    def taken(self) -> list[Unsafe]:
        """What has been placed since this was called last. It must be given to `flush`."""
        files, self._unsafe = self._unsafe, []
        return files

    def flush(self, files: Iterable[Unsafe]) -> None:
        """Have these parts on disk. Raises OSError: then they are gone, and none must be told of."""
        files = list(files)
        try:
            if len(files) > 1 and hasattr(os, "posix_fadvise"):
                # The system begins to write them all, where the first to be waited for would go alone.
                for file in files:
                    os.posix_fadvise(file.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            for file in files:
                os.fsync(file.descriptor)
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
                    os.close(file.descriptor)
