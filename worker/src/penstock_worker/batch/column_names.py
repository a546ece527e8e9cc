"""The names of the columns of a job's CSV parts, which have no header: those of the part that was first.

Where all columns of the input are kept, they `grow`: columns that come later stand behind the others. Parts that were
written before have fewer then, and the names of parts say how many.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock_worker.batch_contract import flush_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FILE, _LOCK = "columns.json", ".columns.lock"
_WIDTH = re.compile(r"\.w([0-9]+)\.csv\Z")


class ColumnNames:
    """Workers may come to `agreed` at the same time: one of them is first."""

    def __init__(self, folder: Path, *, grow: bool = False) -> None:
        self.grow = grow
        self._parts = folder / "parts"
        self._known: list[str] | None = None

    def agreed(self, names: Sequence[str]) -> list[str]:
        """The names that are told, in their order; `names` if there are none so far. Raises OSError, and ValueError if
        those are not the same, and may not grow."""
        known = self._known or self._told() or ([] if self.grow else self._tell(names))
        if self.grow and not set(names) <= set(known):
            known = self._grown(names)
        elif not self.grow and sorted(known) != sorted(names):
            raise ValueError(f"its columns are {', '.join(names)}; those of other mini-batches are {', '.join(known)}")
        self._known = known
        return known

    def _told(self) -> list[str] | None:
        with suppress(FileNotFoundError):
            return json.loads((self._parts / _FILE).read_text(encoding="utf-8"))
        return None

    def _tell(self, names: Sequence[str]) -> list[str]:
        temporary = self._written(names)
        try:
            with suppress(FileExistsError):
                os.link(temporary, self._parts / _FILE)
        finally:
            with suppress(OSError):
                temporary.unlink()
        flush_folder(self._parts)
        return self._told() or list(names)

    def _grown(self, names: Sequence[str]) -> list[str]:
        with open(self._parts / _LOCK, "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel releases it, whoever dies
            known = list(dict.fromkeys((*(self._told() or ()), *names)))
            os.replace(self._written(known), self._parts / _FILE)
            flush_folder(self._parts)
        return known

    def _written(self, names: Sequence[str]) -> Path:
        """A file with the names, on disk."""
        temporary = self._parts / f".{_FILE}.{os.getpid()}.tmp"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(list(names), file)
            file.flush()
            os.fsync(file.fileno())
        return temporary


def width_mark(width: int) -> str:
    """What the name of a part of so many columns has before its suffix."""
    return f".w{width}"


def width_of(part: str) -> int | None:
    """How many columns a part has, by its name; None: as many as all parts of its job."""
    found = _WIDTH.search(part)
    return int(found.group(1)) if found else None
