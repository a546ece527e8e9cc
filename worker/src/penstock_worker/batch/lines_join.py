"""Files of lines made one: CSV and JSON lines, copied by the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from penstock_worker.batch.copying import copy

_END = b"\n"


def join(head: bytes, parts: Iterable[Path], to: Path, beat: Callable[[], None]) -> None:
    """Write `head` and the lines of `parts`, in their order, to the new file `to`. It is not flushed to disk.

    A last line that has no end gets one. `beat` is called every some megabytes. Raises OSError.
    """
    with open(to, "xb", buffering=0) as target:
        target.write(head)
        for part in parts:
            with open(part, "rb", buffering=0) as source:
                size = os.fstat(source.fileno()).st_size
                copy(source.fileno(), 0, size, target.fileno(), beat)
                if not _ends(source.fileno(), size):
                    target.write(_END)
            beat()


def ends(part: Path) -> bool:
    """True if the file's last line has an end, or there is none."""
    with open(part, "rb", buffering=0) as source:
        return _ends(source.fileno(), os.fstat(source.fileno()).st_size)


def _ends(source: int, size: int) -> bool:
    return size == 0 or os.pread(source, 1, size - 1) == _END
