"""Files of `parts/` that are written now and brought to disk a little later, several together."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, BinaryIO

from penstock_worker.batch_contract import Part, flush_folder

if TYPE_CHECKING:
    from pathlib import Path


class PartFiles:
    """A disk takes as long to make one small file safe as to make ten. Nothing may be told of a part before `flush`."""

    def __init__(self, folder: Path) -> None:
        self._parts = folder / "parts"
        self._unsafe: list[BinaryIO] = []

    def write(self, part: Part, data: bytes) -> Part:
        """Put `data` under the name of `part`; `part` with its size. Raises OSError, and leaves nothing then."""
        temporary = self._parts / f".{part.name}.{os.getpid()}.tmp"
        file = open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # noqa: SIM115 - see flush
        try:
            file.write(data)
            file.flush()
            os.replace(temporary, self._parts / part.name)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            with suppress(OSError):
                file.close()
            raise
        self._unsafe.append(file)
        return Part(part.name, part.kind, part.rows, len(data), part.segment)

    def flush(self) -> None:
        """Have all that was written on disk. Raises OSError: then any of it may be lost, and none must be told of."""
        files, self._unsafe = self._unsafe, []
        if not files:
            return
        with ExitStack() as closing:
            for file in files:
                closing.callback(file.close)
                if len(files) > 1 and hasattr(os, "posix_fadvise"):
                    # The system begins to write them all, where the first to be waited for would go alone.
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for file in files:
                os.fsync(file.fileno())
        flush_folder(self._parts)
