"""What a mini-batch comes to: files that appear in `parts/` once all of them are complete, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.row_files import JSONL, SUFFIXES, RowFile, row_file
from penstock_worker.batch_contract import Part, part_name

if TYPE_CHECKING:
    from penstock_worker.batch.column_names import ColumnNames
    from penstock_worker.batch.part_files import PartFiles
    from penstock_worker.batch_contract import Order, Task

ROWS, REJECTS = "rows", "rejects"
_PER_INPUT = "per_input"


class Parts:
    """The parts of one task. What fails here raises OSError; then, as after any other failure, `discard`."""

    def __init__(self, files: PartFiles, task: Task, order: Order, names: ColumnNames) -> None:
        self._files = files
        self._names = names
        self._task = task
        self._order = order
        self._parts: dict[tuple[str, int], _PartInMaking] = {}

    def write(self, segment: int, table: Any) -> None:
        """Add rows of output, which come from `segment`."""
        segment = segment if self._order.output_mode == _PER_INPUT else -1
        self._add(ROWS, segment, self._order.output_format, SUFFIXES[self._order.output_format], table)

    def reject(self, table: Any) -> None:
        """Add rows that are set aside, with their reasons."""
        self._add(REJECTS, -1, JSONL, f".{REJECTS}{SUFFIXES[JSONL]}", table)

    def place(self) -> tuple[Part, ...]:
        """Have all of them complete and under their names."""
        for part in self._parts.values():
            part.close()
        for part in self._parts.values():
            part.place()
        return tuple(part.told() for part in self._parts.values())

    def discard(self) -> None:
        """Leave nothing behind."""
        for part in self._parts.values():
            part.discard()

    def _add(self, kind: str, segment: int, form: str, suffix: str, table: Any) -> None:
        part = self._parts.get((kind, segment))
        if part is None:
            name = part_name(self._task, segment, suffix)
            part = self._parts[kind, segment] = _PartInMaking(self._files, name, kind, segment)
            part.open(form, self._order.mini_batch_rows, self._names)
        part.write(table)


class _PartInMaking:
    def __init__(self, files: PartFiles, name: str, kind: str, segment: int) -> None:
        self._files = files
        self._name = name
        self._temporary = files.temporary(name)
        self._kind = kind
        self._segment = segment
        self._file: RowFile | None = None
        self._rows = self._bytes = 0

    def open(self, form: str, group_rows: int, names: ColumnNames) -> None:
        os.close(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        self._file = row_file(form, self._temporary, group_rows, names)

    def write(self, table: Any) -> None:
        if self._file is not None:
            self._file.write(table)
            self._rows += table.num_rows

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def place(self) -> None:
        self._bytes = self._files.place(self._name)

    def discard(self) -> None:
        with suppress(Exception):  # closing may write, to a disk that is full
            if self._file is not None:
                self._file.close()
        for path in (self._temporary, self._files.folder / self._name):
            with suppress(OSError):
                path.unlink()

    def told(self) -> Part:
        return Part(self._name, self._kind, self._rows, self._bytes, self._segment)
