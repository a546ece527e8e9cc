"""Files of lines made one: CSV and JSON lines, copied by the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from penstock_worker.batch.column_names import width_of
from penstock_worker.batch.copying import copy, write_all

_END = b"\n"
_AT_ONCE = 4 * 1024 * 1024  # bytes of lines


def join(head: bytes, parts: Iterable[Path], to: Path, beat: Callable[[], None], width: int = 0) -> None:
    """Write `head` and the lines of `parts`, in their order, to the new file `to`. It is not flushed to disk.

    A last line that has no end gets one. Records of parts that have fewer columns than `width` get empty ones. `beat`
    is called every some megabytes. Raises OSError.
    """
    with open(to, "xb", buffering=0) as target:
        target.write(head)
        for part in parts:
            missing = max(0, width - (width_of(part.name) or width))
            if missing:
                _copy_wider(part, target.fileno(), b"," * missing, beat)
                continue
            with open(part, "rb", buffering=0) as source:
                size = os.fstat(source.fileno()).st_size
                copy(source.fileno(), 0, size, target.fileno(), beat)
                if not _ends(source.fileno(), size):
                    target.write(_END)
            beat()


def _copy_wider(part: Path, target: int, more: bytes, beat: Callable[[], None]) -> None:
    """Copy the records of a CSV file, each with `more` at its end: a line ends one unless it ends between quotes."""
    inside = 0
    with open(part, "rb") as source:
        while lines := source.readlines(_AT_ONCE):
            for at, line in enumerate(lines):
                inside ^= line.count(b'"') & 1
                if not inside:
                    lines[at] = line.removesuffix(_END) + more + _END
            write_all(target, b"".join(lines))
            beat()


def ends(part: Path) -> bool:
    """True if the file's last line has an end, or there is none."""
    with open(part, "rb", buffering=0) as source:
        return _ends(source.fileno(), os.fstat(source.fileno()).st_size)


def _ends(source: int, size: int) -> bool:
    return size == 0 or os.pread(source, 1, size - 1) == _END
