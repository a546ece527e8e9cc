"""The names of the columns of a job's CSV parts, which have no header: those of the part that was first."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock_worker.batch_contract import flush_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FILE = "columns.json"


class ColumnNames:
    """Workers may come to `agreed` at the same time: one of them is first."""

    def __init__(self, folder: Path) -> None:
        self._parts = folder / "parts"
        self._known: list[str] | None = None

    def agreed(self, names: Sequence[str]) -> list[str]:
        """The names that are told, in their order; `names` if there are none so far. Raises OSError, and ValueError if
        those are not the same."""
        known = self._known or self._told() or self._tell(names)
        if sorted(known) != sorted(names):
            raise ValueError(f"its columns are {', '.join(names)}; those of other mini-batches are {', '.join(known)}")
        self._known = known
        return known

    def _told(self) -> list[str] | None:
        with suppress(FileNotFoundError):
            return json.loads((self._parts / _FILE).read_text(encoding="utf-8"))
        return None

    def _tell(self, names: Sequence[str]) -> list[str]:
        temporary = self._parts / f".{_FILE}.{os.getpid()}.tmp"
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(list(names), file)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, self._parts / _FILE)
        finally:
            with suppress(OSError):
                temporary.unlink()
        flush_folder(self._parts)
        return self._told() or list(names)
